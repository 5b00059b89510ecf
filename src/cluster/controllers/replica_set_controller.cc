#include "cluster/controllers/replica_set_controller.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include <fmt/format.h>

#include "cluster/controllers/claim.h"
#include "cluster/controllers/objects.h"
#include "kube/selector.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

// Pods made or deleted in one turn, so that one large set cannot hold up the others.
constexpr std::int64_t kBurst = 500;

Json PodFor(const kube::Object& set) {
  const Json& pod_template = At(set.json(), "spec.template");
  Json metadata = Json::object();
  for (const char* field : {"labels", "annotations", "finalizers"}) {
    const Json& value = At(pod_template, std::string("metadata.") + field);
    if (!value.is_null()) metadata[field] = value;
  }
  const std::string& trace = AnnotationOf(set.json(), kTraceAnnotation);
  if (!trace.empty()) ObjectAt(metadata, "annotations")[kTraceAnnotation] = trace;
  metadata["generateName"] = set.name() + "-";
  metadata["namespace"] = set.ns();
  metadata["ownerReferences"] = Json::array({ControllerReference(kube::kReplicaSet, set)});
  return Json{{"apiVersion", "v1"},
              {"kind", "Pod"},
              {"metadata", std::move(metadata)},
              {"spec", At(pod_template, "spec")}};
}

std::int64_t PhaseRank(const Json& pod) {
  const std::string& phase = StringAt(pod, "status.phase");
  return phase == "Running" ? 2 : phase == "Unknown" ? 1 : 0;
}

std::int64_t DeletionCost(const std::string& text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::int64_t Restarts(const Json& pod) {
  std::int64_t most = 0;
  for (const Json& status : ItemsAt(pod, "status.containerStatuses")) {
    most = std::max(most, IntAt(status, "restartCount"));
  }
  return most;
}

// The order of deletion, least valuable first (Kubernetes' ActivePodsWithRanks).
struct Value {
  bool assigned;
  std::int64_t phase;
  bool ready;
  std::int64_t cost;
  std::int64_t crowding;  // negative count of the set's pods on the same node: crowded goes first
  std::int64_t ready_age;
  std::int64_t restarts;  // negative
  std::int64_t age;
  std::string name;
  auto operator<=>(const Value&) const = default;
};

Value ValueOf(const kube::Object& pod, const std::map<std::string, std::int64_t>& per_node) {
  const Json& json = pod.json();
  const std::string& node = StringAt(json, "spec.nodeName");
  const auto nanoseconds = [](const std::optional<base::WallTime>& time) -> std::int64_t {
    return time ? -time->time_since_epoch().count() : 0;
  };
  const Json* ready = ConditionOf(json, "Ready");
  const std::string& cost = AnnotationOf(json, "controller.kubernetes.io/pod-deletion-cost");
  const auto crowd = per_node.find(node);
  return Value{
      .assigned = !node.empty(),
      .phase = PhaseRank(json),
      .ready = PodReady(json),
      .cost = DeletionCost(cost),
      .crowding = node.empty() || crowd == per_node.end() ? 0 : -crowd->second,
      .ready_age = ready == nullptr ? 0 : nanoseconds(kube::TimeAt(*ready, "lastTransitionTime")),
      .restarts = -Restarts(json),
      .age = nanoseconds(kube::TimeAt(json, "metadata.creationTimestamp")),
      .name = pod.name()};
}

bool HasLabels(const Json& object, const Json& labels) {
  if (!labels.is_object()) return true;
  return std::ranges::all_of(labels.items(), [&](const auto& item) {
    return item.value() == LabelOf(object, item.key());
  });
}

}  // namespace

ReplicaSetController::ReplicaSetController(kube::SharedInformers& informers)
    : informers_(informers),
      sets_(informers.For(kube::kReplicaSet)),
      pods_(informers.For(kube::kPod)),
      events_(informers, "replicaset-controller"),
      reconciler_(informers, {.name = "replicaset"},
                  [this](const kube::ObjectName& key) { return Reconcile(key); }) {
  reconciler_.EnqueueChangesOf(sets_);
  reconciler_.EnqueueOwnersOf(pods_, kube::kReplicaSet);
  pods_.OnChange(
      [this](const ObjectPtr& before, const ObjectPtr& after) { EnqueueMatching(before, after); });
}

// An orphan that appears, or whose labels change, may be adopted by any set that selects it; a pod
// that lost its controller leaves the old one short.
void ReplicaSetController::EnqueueMatching(const ObjectPtr& before, const ObjectPtr& after) {
  if (before != nullptr && after != nullptr) {
    const Json* old_controller = ControllerOf(before->json());
    if (old_controller != nullptr && StringAt(*old_controller, "kind") == "ReplicaSet" &&
        StringAt(*old_controller, "uid") != ControllerUid(after->json())) {
      reconciler_.Enqueue({after->ns(), StringAt(*old_controller, "name")});
    }
  }
  if (after == nullptr || ControllerOf(after->json()) != nullptr || after->deleting()) return;
  if (before != nullptr && ControllerOf(before->json()) == nullptr &&
      At(before->json(), "metadata.labels") == At(after->json(), "metadata.labels")) {
    return;
  }
  for (const ObjectPtr& set : sets_.List(after->ns())) {
    const auto selector = kube::LabelSelector::FromJson(At(set->json(), "spec.selector"));
    if (selector && !selector->empty() && selector->Matches(At(after->json(), "metadata.labels"))) {
      reconciler_.Enqueue({set->ns(), set->name()});
    }
  }
}

kube::Reconciler::Outcome ReplicaSetController::Reconcile(const kube::ObjectName& key) {
  const ObjectPtr set = sets_.Get(key.ns, key.name);
  if (set == nullptr) return std::nullopt;
  const auto selector = kube::LabelSelector::FromJson(At(set->json(), "spec.selector"));
  if (!selector || selector->empty()) return std::nullopt;  // would select every pod

  ASSIGN_OR_RETURN(
      const std::vector<ObjectPtr> claimed,
      ClaimDependents(informers_, kube::kReplicaSet, *set, *selector, kube::kPod, pods_));
  std::vector<ObjectPtr> active;
  for (const ObjectPtr& pod : claimed) {
    if (PodActive(*pod)) active.push_back(pod);
  }
  const std::int64_t wanted = std::max<std::int64_t>(IntAt(set->json(), "spec.replicas", 1), 0);
  const std::int64_t missing = wanted - static_cast<std::int64_t>(active.size());

  base::Result<> managed;
  if (!set->deleting()) {
    if (missing > 0) {
      managed = CreatePods(set, std::min(missing, kBurst));
    } else if (missing < 0) {
      managed =
          DeletePods(set, std::move(active), static_cast<std::size_t>(std::min(-missing, kBurst)));
    }
  }
  std::optional<base::Duration> wait;
  RETURN_IF_ERROR(WriteStatus(set, managed, missing, &wait));
  RETURN_IF_ERROR(managed);
  if (std::abs(missing) > kBurst) reconciler_.Enqueue(key);
  return wait;
}

base::Result<> ReplicaSetController::CreatePods(const ObjectPtr& set, std::int64_t count) {
  const Json pod = PodFor(*set);
  int collisions = 0;
  for (std::int64_t made = 0; made < count;) {
    const auto created = informers_.api().Create(kube::kPod, set->ns(), pod);
    if (created) {
      events_.Record(*set, "Normal", "SuccessfulCreate", "Created pod: " + (*created)->name());
      ++made;
      continue;
    }
    const base::Error& error = created.error();
    // A generated name that is taken is drawn again.
    if (error.kind() == ErrorKind::kAlreadyExists && ++collisions < 10) continue;
    // Nothing may be created in a namespace that is ending.
    if (error.kind() == ErrorKind::kPermissionDenied &&
        error.message().find("being terminated") != std::string::npos) {
      return {};
    }
    events_.Record(*set, "Warning", "FailedCreate", "Error creating: " + error.message());
    return std::unexpected(error.While("creating a pod of replica set " + set->name()));
  }
  return {};
}

base::Result<> ReplicaSetController::DeletePods(const ObjectPtr& set, std::vector<ObjectPtr> active,
                                                std::size_t count) {
  std::map<std::string, std::int64_t> per_node;
  for (const ObjectPtr& pod : active) ++per_node[StringAt(pod->json(), "spec.nodeName")];
  std::vector<std::pair<Value, ObjectPtr>> ranked;
  ranked.reserve(active.size());
  for (ObjectPtr& pod : active) {
    Value value = ValueOf(*pod, per_node);
    ranked.emplace_back(std::move(value), std::move(pod));
  }
  count = std::min(count, ranked.size());
  std::ranges::partial_sort(ranked, ranked.begin() + static_cast<std::ptrdiff_t>(count), {},
                            [](const auto& one) -> const Value& { return one.first; });
  for (std::size_t i = 0; i < count; ++i) {
    const ObjectPtr& pod = ranked[i].second;
    const auto deleted =
        informers_.api().Delete(kube::kPod, pod->ns(), pod->name(), {.uid = pod->uid()});
    if (deleted) {
      events_.Record(*set, "Normal", "SuccessfulDelete", "Deleted pod: " + pod->name());
      continue;
    }
    if (deleted.error().kind() == ErrorKind::kNotFound) continue;
    events_.Record(*set, "Warning", "FailedDelete", "Error deleting: " + deleted.error().message());
    return std::unexpected(deleted.error().While("deleting pod " + pod->name()));
  }
  return {};
}

base::Result<> ReplicaSetController::WriteStatus(const ObjectPtr& set,
                                                 const base::Result<>& managed,
                                                 std::int64_t missing,
                                                 std::optional<base::Duration>* wait) {
  const base::WallTime now = informers_.executor().WallNow();
  const std::int64_t min_ready = IntAt(set->json(), "spec.minReadySeconds");
  const Json& labels = At(set->json(), "spec.template.metadata.labels");
  std::int64_t replicas = 0, labeled = 0, ready = 0, available = 0;
  // Read again: pods just created or deleted are in the cache already.
  for (const ObjectPtr& pod : pods_.OwnedBy(set->uid())) {
    if (!PodActive(*pod) || ControllerUid(pod->json()) != set->uid()) continue;
    ++replicas;
    labeled += HasLabels(pod->json(), labels);
    ready += PodReady(pod->json());
    available += PodAvailable(pod->json(), min_ready, now, wait);
  }

  Json status = Json::object();
  status["replicas"] = replicas;
  const auto put_unless_zero = [&](const char* field, std::int64_t value) {
    if (value != 0) status[field] = value;
  };
  put_unless_zero("fullyLabeledReplicas", labeled);
  put_unless_zero("readyReplicas", ready);
  put_unless_zero("availableReplicas", available);
  status["observedGeneration"] = IntAt(set->json(), "metadata.generation");
  Json conditions = ItemsAt(set->json(), "status.conditions");
  if (managed) {
    RemoveCondition(conditions, "ReplicaFailure");
  } else {
    SetCondition(conditions, "ReplicaFailure", "True",
                 missing > 0 ? "FailedCreate" : "FailedDelete", managed.error().message(),
                 kube::FormatTime(now), false);
  }
  if (!conditions.empty()) status["conditions"] = std::move(conditions);
  if (status == At(set->json(), "status")) return {};

  Json changed = set->json();
  changed["status"] = std::move(status);
  const auto written = informers_.api().Update(kube::kReplicaSet, std::move(changed), "status");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return {};
}

}  // namespace enclave::cluster
