// The last word before anything is touched: whether an action may be taken now. Pure, so that it
// can be tested on every case; what it is told of the cluster was read from the API just before.
//
// An undo is bound by the namespaces and by one action at a time, but not by cooldown and rate:
// what did not help must never stay because of a count. Nor may it take the last pods of a
// workload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/policy.h"
#include "base/result.h"
#include "kube/api.h"

namespace enclave::agent {

// The part of the cluster that an action touches.
struct ClusterFacts {
  std::size_t pods_in_namespace = 0;
  std::size_t pods_touched = 0;
  std::size_t desired = 0;  // pods of the workload
  std::size_t ready = 0;
  bool touches_ready_pod = false;  // of a deletion: whether the pod is ready
  bool one_by_one = true;          // a rollout that keeps the minimum by itself
  std::optional<std::size_t> scale_to{};
  std::string budget_refuses{};  // a PodDisruptionBudget that allows no disruption
  // When the oldest of the pods began that are to begin anew, since 1970; 0: none are.
  std::int64_t began_ns = 0;
};
// kNotFound when the workload is not there any more.
base::Result<ClusterFacts> ReadClusterFacts(kube::Api& api, const Action& action);

// An action of the past hour, or one under way.
struct PastAction {
  std::string subject{};
  std::string incident{};
  std::int64_t started_ns = 0;
  bool under_way = false;  // begun, and not verified or undone yet
};

struct Ruling {
  enum class Kind : std::uint8_t { kAllowed, kRefused, kWait };
  Kind kind = Kind::kAllowed;
  std::string why{};  // a sentence, unless allowed
};

Ruling Judge(const Policy& policy, const Action& action, const std::string& incident,
             const ClusterFacts& facts, const std::vector<PastAction>& past, std::int64_t now_ns);

// Why `inverse` is not to be carried out, though what it puts back did not help; empty: it may.
std::string WhyNotUndo(const Policy& policy, const Action& inverse, const ClusterFacts& facts);

}  // namespace enclave::agent
