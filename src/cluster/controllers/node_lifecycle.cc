#include "cluster/controllers/node_lifecycle.h"

#include <algorithm>

#include "cluster/controllers/objects.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

const std::string kLeaseNamespace = "kube-node-lease";
const std::string kUnreachable = "node.kubernetes.io/unreachable";
const std::string kNotReady = "node.kubernetes.io/not-ready";
const std::string kUnschedulable = "node.kubernetes.io/unschedulable";

std::string ReadyStatus(const Json& node) {
  const Json* ready = ConditionOf(node, "Ready");
  return ready == nullptr ? "Unknown" : StringAt(*ready, "status");
}

bool Tolerates(const Json& pod, const std::string& key) {
  return std::ranges::any_of(ItemsAt(pod, "spec.tolerations"), [&](const Json& toleration) {
    const std::string& effect = StringAt(toleration, "effect");
    if (!effect.empty() && effect != "NoExecute") return false;
    if (kube::At(toleration, "tolerationSeconds").is_number()) return false;
    const std::string& tolerated = StringAt(toleration, "key");
    return tolerated == key || (tolerated.empty() && StringAt(toleration, "operator") == "Exists");
  });
}

}  // namespace

NodeLifecycle::NodeLifecycle(kube::SharedInformers& informers, Options options)
    : informers_(informers),
      options_(options),
      nodes_(informers.For(kube::kNode)),
      leases_(informers.For(kube::kLease)),
      pods_(informers.For(kube::kPod)),
      events_(informers, "node-controller"),
      reconciler_(informers, {.name = "node-lifecycle"},
                  [this](const kube::ObjectName& key) { return Reconcile(key.name); }) {
  reconciler_.EnqueueChangesOf(nodes_);
  leases_.OnChange([this](const ObjectPtr&, const ObjectPtr& after) {
    if (after == nullptr || after->ns() != kLeaseNamespace) return;
    Seen& seen = seen_[after->name()];
    const std::string& renewed = StringAt(after->json(), "spec.renewTime");
    if (seen.renewed == renewed && seen.at) return;
    seen.renewed = renewed;
    seen.at = informers_.executor().Now();
    // A renewal is news only for a node given up; else its timer finds it.
    if (seen.lost_at) reconciler_.Enqueue({"", after->name()});
  });
}

kube::Reconciler::Outcome NodeLifecycle::Reconcile(const std::string& name) {
  const ObjectPtr node = nodes_.Get("", name);
  if (node == nullptr) {
    seen_.erase(name);
    return std::nullopt;
  }
  const base::MonoTime now = informers_.executor().Now();
  Seen& seen = seen_[name];
  if (!seen.at) seen.at = now;  // no Lease yet: the grace starts here
  const base::Duration age = now - *seen.at;
  if (age < options_.grace) {
    seen.lost_at.reset();
    // Ready stays Unknown until the kubelet itself posts its state again.
    RETURN_IF_ERROR(SetTaints(*node, ReadyStatus(node->json()) == "Unknown" &&
                                         ConditionOf(node->json(), "Ready") != nullptr));
    return options_.grace - age;
  }
  if (!seen.lost_at) seen.lost_at = now;
  if (ReadyStatus(node->json()) != "Unknown" || ConditionOf(node->json(), "Ready") == nullptr) {
    RETURN_IF_ERROR(MarkUnknown(*node));
    events_.Record(*node, "Normal", "NodeNotReady",
                   "Node " + name + " status is now: NodeNotReady");
  }
  if (const ObjectPtr current = nodes_.Get("", name); current != nullptr) {
    RETURN_IF_ERROR(SetTaints(*current, true));
  }
  RETURN_IF_ERROR(MarkPodsNotReady(name));
  const base::Duration left = *seen.lost_at + options_.eviction_delay - now;
  if (left > base::Duration::zero()) return left;
  // When every node is lost the fault is more likely ours; moving pods would help nobody.
  if (AnotherIsHealthy(name)) RETURN_IF_ERROR(Evict(name));
  return options_.eviction_delay;
}

base::Result<> NodeLifecycle::MarkUnknown(const kube::Object& node) {
  Json changed = node.json();
  Json& conditions = ArrayAt(ObjectAt(changed, "status"), "conditions");
  const std::string now = kube::FormatTime(informers_.executor().WallNow());
  for (const char* type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    if (std::string_view(type) != "Ready" && ConditionOf(changed, type) == nullptr) continue;
    SetCondition(conditions, type, "Unknown", "NodeStatusUnknown",
                 "Kubelet stopped posting node status.", now, false);
  }
  const auto written = informers_.api().Update(kube::kNode, std::move(changed), "status");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return {};
}

base::Result<> NodeLifecycle::MarkPodsNotReady(const std::string& node) {
  for (const ObjectPtr& pod : pods_.List()) {
    if (StringAt(pod->json(), "spec.nodeName") != node || !PodReady(pod->json())) continue;
    Json changed = pod->json();
    for (Json& condition : changed["status"]["conditions"]) {
      if (StringAt(condition, "type") != "Ready") continue;
      condition["status"] = "False";
      condition["reason"] = "NodeNotReady";
      condition["lastTransitionTime"] = kube::FormatTime(informers_.executor().WallNow());
    }
    const auto written = informers_.api().Update(kube::kPod, std::move(changed), "status");
    if (!written && written.error().kind() != ErrorKind::kNotFound) {
      return std::unexpected(written.error());
    }
  }
  return {};
}

base::Result<> NodeLifecycle::Evict(const std::string& node) {
  for (const ObjectPtr& pod : pods_.List()) {
    if (StringAt(pod->json(), "spec.nodeName") != node || pod->deleting() ||
        Tolerates(pod->json(), kUnreachable)) {
      continue;
    }
    events_.Record(*pod, "Normal", "TaintManagerEviction",
                   "Marking for deletion Pod " + pod->ns() + "/" + pod->name());
    const auto deleted =
        informers_.api().Delete(kube::kPod, pod->ns(), pod->name(), {.uid = pod->uid()});
    if (!deleted && deleted.error().kind() != ErrorKind::kNotFound) {
      return std::unexpected(deleted.error());
    }
  }
  return {};
}

base::Result<> NodeLifecycle::SetTaints(const kube::Object& node, bool unreachable) {
  const std::string ready = ReadyStatus(node.json());
  struct Wanted {
    const std::string& key;
    const char* effect;
    bool present;
  };
  const Wanted wanted[] = {
      {kUnreachable, "NoSchedule", unreachable},
      {kUnreachable, "NoExecute", unreachable},
      {kNotReady, "NoSchedule", !unreachable && ready == "False"},
      {kNotReady, "NoExecute", !unreachable && ready == "False"},
      {kUnschedulable, "NoSchedule", kube::BoolAt(node.json(), "spec.unschedulable")}};
  Json taints = ItemsAt(node.json(), "spec.taints");
  bool changed = false;
  for (const Wanted& want : wanted) {
    const auto is_it = [&](const Json& taint) {
      return StringAt(taint, "key") == want.key && StringAt(taint, "effect") == want.effect;
    };
    const bool present = std::ranges::any_of(taints, is_it);
    if (present == want.present) continue;
    changed = true;
    if (want.present) {
      taints.push_back({{"key", want.key},
                        {"effect", want.effect},
                        {"timeAdded", kube::FormatTime(informers_.executor().WallNow())}});
      continue;
    }
    Json kept = Json::array();
    for (const Json& taint : taints) {
      if (!is_it(taint)) kept.push_back(taint);
    }
    taints = std::move(kept);
  }
  if (!changed) return {};
  Json json = node.json();
  if (taints.empty()) {
    json["spec"].erase("taints");
  } else {
    ObjectAt(json, "spec")["taints"] = std::move(taints);
  }
  const auto written = informers_.api().Update(kube::kNode, std::move(json));
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return {};
}

bool NodeLifecycle::AnotherIsHealthy(const std::string& name) const {
  return std::ranges::any_of(nodes_.List(), [&](const ObjectPtr& node) {
    return node->name() != name && ReadyStatus(node->json()) == "True";
  });
}

}  // namespace enclave::cluster
