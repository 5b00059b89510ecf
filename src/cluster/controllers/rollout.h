// The arithmetic of rollouts, apart from reading and writing objects: how many pods may be over and
// under, how many the new ReplicaSet may have, how a change of scale is shared out
// (Kubernetes pkg/controller/deployment/util). Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kube/object.h"

namespace enclave::cluster {

inline const std::string kRevisionAnnotation = "deployment.kubernetes.io/revision";
inline const std::string kDesiredReplicasAnnotation = "deployment.kubernetes.io/desired-replicas";
inline const std::string kMaxReplicasAnnotation = "deployment.kubernetes.io/max-replicas";

// An int or percentage ("25%") of `total`. Malformed values are 0.
std::int64_t ResolveIntOrPercent(const kube::Json& value, std::int64_t total, bool round_up);

// What a Deployment's spec allows, resolved.
struct RolloutBounds {
  std::int64_t replicas = 1;
  bool rolling = true;
  std::int64_t max_surge = 0;        // 0 when not rolling
  std::int64_t max_unavailable = 0;  // at most replicas; 0 when not rolling
  std::int64_t MinAvailable() const { return replicas - max_unavailable; }
};
RolloutBounds BoundsOf(const kube::Json& deployment);

// spec.replicas of a ReplicaSet or Deployment; 1 when absent.
std::int64_t ReplicasOf(const kube::Json& object);
// The revision annotation as a number; 0 when absent or malformed.
std::int64_t RevisionOf(const kube::Json& object);
std::int64_t SumOfReplicas(const std::vector<kube::ObjectPtr>& sets);
std::int64_t SumOfStatus(const std::vector<kube::ObjectPtr>& sets, const std::string& field);
// Available pods of a set, never more than it asks for: status lags behind spec when it was just
// scaled down, and those that go must not be counted on.
std::int64_t AvailableOf(const kube::Json& replica_set);

// How many pods the new set should ask for now, given what all sets (it among them, when it exists)
// ask for.
std::int64_t NewSetReplicas(const RolloutBounds& bounds, std::int64_t all_sets,
                            std::int64_t new_set);

// Shares a change of scale over the active sets in proportion to their sizes; result in the order
// of `sets`. The sum is bounds.replicas + max_surge (0 for 0 replicas).
std::vector<std::int64_t> ShareScale(const RolloutBounds& bounds,
                                     const std::vector<kube::ObjectPtr>& sets,
                                     std::int64_t deployment_status_replicas);

}  // namespace enclave::cluster
