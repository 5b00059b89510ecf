// metrics.k8s.io/v1beta1: what nodes and pods use now, for `kubectl top` and for scalers. Measured
// by the kubelet, never stored.
#pragma once

#include "cluster/api/registry.h"
#include "cluster/store/store.h"
#include "kube/usage.h"

namespace enclave::cluster {

// Both outlive the registry's use.
void AddUsageResources(Registry& registry, const kube::UsageSource& usage, const Store& store);

}  // namespace enclave::cluster
