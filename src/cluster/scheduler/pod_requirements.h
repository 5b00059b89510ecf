// What a pod asks of a node and whether a node gives it: resources, selectors, taints. Pure
// functions over API objects, thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "kube/object.h"

namespace enclave::cluster {

struct Resources {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t pods = 0;

  Resources& operator+=(const Resources& other);
  Resources& operator-=(const Resources& other);
  bool operator==(const Resources&) const = default;
};

// The effective request of a pod: containers together, or the largest init container when that is
// more; sidecars (init containers with restartPolicy Always) count among the containers.
Resources RequestOf(const kube::Json& pod);
// status.allocatable (or capacity) of a node.
Resources AllocatableOf(const kube::Json& node);

// spec.nodeSelector and the required terms of spec.affinity.nodeAffinity.
bool MatchesNodeSelection(const kube::Json& pod, const kube::Json& node);
// The first NoSchedule or NoExecute taint of the node that the pod does not tolerate; null when
// there is none.
const kube::Json* UntoleratedTaint(const kube::Json& pod, const kube::Json& node);
// True when condition Ready is True.
bool NodeReady(const kube::Json& node);

}  // namespace enclave::cluster
