// The state of the cluster's objects as metrics, under the names and labels of kube-state-metrics,
// rendered from the store at each scrape.
#pragma once

#include <string>

#include "cluster/store/store.h"

namespace enclave::cluster {

std::string RenderKubeStateMetrics(const Store& store);

}  // namespace enclave::cluster
