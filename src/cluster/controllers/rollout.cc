#include "cluster/controllers/rollout.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "cluster/controllers/objects.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

std::int64_t NumberOf(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

// What `set` should gain or lose so that it keeps its share of the deployment's new size.
std::int64_t ShareOf(const RolloutBounds& bounds, const kube::Object& set,
                     std::int64_t deployment_status_replicas) {
  const std::int64_t size = ReplicasOf(set.json());
  if (bounds.replicas == 0) return -size;
  std::int64_t before = NumberOf(AnnotationOf(set.json(), kMaxReplicasAnnotation));
  if (before <= 0) before = deployment_status_replicas;
  if (before <= 0) return 0;
  const double scaled = static_cast<double>(size * (bounds.replicas + bounds.max_surge)) /
                        static_cast<double>(before);
  return std::llround(scaled) - size;
}

}  // namespace

std::int64_t ResolveIntOrPercent(const Json& value, std::int64_t total, bool round_up) {
  if (value.is_number_integer()) {
    return std::max<std::int64_t>(IntAt(Json{{"v", value}}, "v"), 0);
  }
  if (!value.is_string()) return 0;
  const std::string& text = value.get_ref<const std::string&>();
  if (!text.ends_with('%')) return std::max<std::int64_t>(NumberOf(text), 0);
  const std::int64_t percent =
      std::clamp<std::int64_t>(NumberOf(text.substr(0, text.size() - 1)), 0, 1'000'000);
  return (percent * total + (round_up ? 99 : 0)) / 100;
}

RolloutBounds BoundsOf(const Json& deployment) {
  RolloutBounds bounds;
  bounds.replicas = ReplicasOf(deployment);
  bounds.rolling = StringAt(deployment, "spec.strategy.type") != "Recreate";
  if (!bounds.rolling) return bounds;
  const Json kDefault = "25%";
  const Json& surge = At(deployment, "spec.strategy.rollingUpdate.maxSurge");
  const Json& unavailable = At(deployment, "spec.strategy.rollingUpdate.maxUnavailable");
  bounds.max_surge = ResolveIntOrPercent(surge.is_null() ? kDefault : surge, bounds.replicas, true);
  bounds.max_unavailable =
      ResolveIntOrPercent(unavailable.is_null() ? kDefault : unavailable, bounds.replicas, false);
  // Both zero (as 1 % of a few pods rounds to) would never move.
  if (bounds.max_surge == 0 && bounds.max_unavailable == 0) bounds.max_unavailable = 1;
  bounds.max_unavailable = std::min(bounds.max_unavailable, bounds.replicas);
  return bounds;
}

std::int64_t ReplicasOf(const Json& object) {
  return std::max<std::int64_t>(IntAt(object, "spec.replicas", 1), 0);
}

std::int64_t RevisionOf(const Json& object) {
  return NumberOf(AnnotationOf(object, kRevisionAnnotation));
}

std::int64_t SumOfReplicas(const std::vector<ObjectPtr>& sets) {
  std::int64_t sum = 0;
  for (const ObjectPtr& set : sets) sum += ReplicasOf(set->json());
  return sum;
}

std::int64_t SumOfStatus(const std::vector<ObjectPtr>& sets, const std::string& field) {
  std::int64_t sum = 0;
  for (const ObjectPtr& set : sets) sum += IntAt(set->json(), "status." + field);
  return sum;
}

std::int64_t AvailableOf(const Json& replica_set) {
  return std::min(IntAt(replica_set, "status.availableReplicas"), ReplicasOf(replica_set));
}

std::int64_t NewSetReplicas(const RolloutBounds& bounds, std::int64_t all_sets,
                            std::int64_t new_set) {
  if (!bounds.rolling) return bounds.replicas;
  const std::int64_t room = bounds.replicas + bounds.max_surge - all_sets;
  if (room <= 0) return new_set;
  return new_set + std::min(room, std::max<std::int64_t>(bounds.replicas - new_set, 0));
}

std::vector<std::int64_t> ShareScale(const RolloutBounds& bounds,
                                     const std::vector<ObjectPtr>& sets,
                                     std::int64_t deployment_status_replicas) {
  std::vector<std::int64_t> sizes;
  sizes.reserve(sets.size());
  for (const ObjectPtr& set : sets) sizes.push_back(ReplicasOf(set->json()));
  const std::int64_t allowed = bounds.replicas > 0 ? bounds.replicas + bounds.max_surge : 0;
  const std::int64_t to_add = allowed - SumOfReplicas(sets);
  if (to_add == 0) return sizes;

  // The larger sets are served first; among equals growth goes to the newer, shrinking to the
  // older.
  std::vector<std::size_t> order(sets.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    if (sizes[a] != sizes[b]) return sizes[a] > sizes[b];
    const std::string& left = StringAt(sets[a]->json(), "metadata.creationTimestamp");
    const std::string& right = StringAt(sets[b]->json(), "metadata.creationTimestamp");
    if (left != right) return to_add > 0 ? left > right : left < right;
    return a < b;
  });
  std::int64_t added = 0;
  for (const std::size_t i : order) {
    if (sizes[i] == 0) continue;
    const std::int64_t share = ShareOf(bounds, *sets[i], deployment_status_replicas);
    const std::int64_t left = to_add - added;
    const std::int64_t change = to_add > 0
                                    ? std::clamp<std::int64_t>(share, 0, left)
                                    : std::clamp<std::int64_t>(share, std::max(left, -sizes[i]), 0);
    sizes[i] += change;
    added += change;
  }
  // Rounding leaves a rest: the first takes it, as far as it can.
  for (const std::size_t i : order) {
    const std::int64_t left = to_add - added;
    if (left == 0) break;
    const std::int64_t change = std::max(left, -sizes[i]);
    sizes[i] += change;
    added += change;
  }
  return sizes;
}

}  // namespace enclave::cluster
