// Equality and hash of pod templates, as Deployments need them: two texts of one meaning must be
// the same revision. `kubectl rollout undo` sends a template back with creationTimestamp: null and
// resources: {}; that must find the old ReplicaSet again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kube/object.h"

namespace enclave::cluster {

inline const std::string kTemplateHashLabel = "pod-template-hash";

// Without nulls, empty arrays, objects that mean the same when empty (resources, securityContext,
// labels, ...) and the pod-template-hash label.
kube::Json NormalisedTemplate(const kube::Json& pod_template);
bool SameTemplate(const kube::Json& left, const kube::Json& right);

}  // namespace enclave::cluster
