#include "cluster/controllers/objects.h"

#include <algorithm>

#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::Json;
using kube::StringAt;

const std::string kEmpty;
const Json kNoItems = Json::array();

const std::string& EntryOf(const Json& object, std::string_view map, const std::string& key) {
  const Json& entries = At(object, map);
  if (!entries.is_object()) return kEmpty;
  const auto found = entries.find(key);
  return found != entries.end() && found->is_string() ? found->get_ref<const std::string&>()
                                                      : kEmpty;
}

}  // namespace

const std::string& AnnotationOf(const Json& object, const std::string& key) {
  return EntryOf(object, "metadata.annotations", key);
}

const std::string& LabelOf(const Json& object, const std::string& key) {
  return EntryOf(object, "metadata.labels", key);
}

const Json& ItemsAt(const Json& object, std::string_view dotted_path) {
  const Json& found = At(object, dotted_path);
  return found.is_array() ? found : kNoItems;
}

const Json* ControllerOf(const Json& object) {
  for (const Json& reference : ItemsAt(object, "metadata.ownerReferences")) {
    if (kube::BoolAt(reference, "controller")) return &reference;
  }
  return nullptr;
}

const std::string& ControllerUid(const Json& object) {
  const Json* reference = ControllerOf(object);
  return reference == nullptr ? kEmpty : StringAt(*reference, "uid");
}

Json ControllerReference(const kube::Kind& kind, const kube::Object& owner) {
  return Json{{"apiVersion", kind.ApiVersion()},
              {"kind", kind.kind},
              {"name", owner.name()},
              {"uid", owner.uid()},
              {"controller", true},
              {"blockOwnerDeletion", true}};
}

Json WithoutOwner(const Json& references, const std::string& uid) {
  Json kept = Json::array();
  if (!references.is_array()) return kept;
  for (const Json& reference : references) {
    if (StringAt(reference, "uid") != uid) kept.push_back(reference);
  }
  return kept;
}

bool HasFinalizer(const Json& object, std::string_view finalizer) {
  return std::ranges::any_of(ItemsAt(object, "metadata.finalizers"),
                             [&](const Json& one) { return one == finalizer; });
}

void RemoveFinalizer(Json& object, std::string_view finalizer) {
  Json kept = Json::array();
  for (const Json& one : ItemsAt(object, "metadata.finalizers")) {
    if (one != finalizer) kept.push_back(one);
  }
  Json& metadata = ObjectAt(object, "metadata");
  if (kept.empty()) {
    metadata.erase("finalizers");
  } else {
    metadata["finalizers"] = std::move(kept);
  }
}

const Json* ConditionOf(const Json& object, std::string_view type) {
  for (const Json& condition : ItemsAt(object, "status.conditions")) {
    if (StringAt(condition, "type") == type) return &condition;
  }
  return nullptr;
}

void SetCondition(Json& conditions, std::string_view type, std::string_view status,
                  std::string_view reason, const std::string& message, const std::string& now,
                  bool with_update_time) {
  if (!conditions.is_array()) conditions = Json::array();
  Json fresh{{"type", type},
             {"status", status},
             {"reason", reason},
             {"message", message},
             {"lastTransitionTime", now}};
  if (with_update_time) fresh["lastUpdateTime"] = now;
  for (Json& condition : conditions) {
    if (StringAt(condition, "type") != type) continue;
    if (StringAt(condition, "status") == status) {
      if (StringAt(condition, "reason") == reason) return;
      const std::string& since = StringAt(condition, "lastTransitionTime");
      if (!since.empty()) fresh["lastTransitionTime"] = since;
    }
    condition = std::move(fresh);
    return;
  }
  conditions.push_back(std::move(fresh));
}

void RemoveCondition(Json& conditions, std::string_view type) {
  if (!conditions.is_array()) return;
  Json kept = Json::array();
  for (Json& condition : conditions) {
    if (StringAt(condition, "type") != type) kept.push_back(std::move(condition));
  }
  conditions = std::move(kept);
}

Json& ArrayAt(Json& object, const std::string& key) {
  Json& value = object[key];
  if (!value.is_array()) value = Json::array();
  return value;
}

Json& ObjectAt(Json& object, const std::string& key) {
  Json& value = object[key];
  if (!value.is_object()) value = Json::object();
  return value;
}

bool PodTerminal(const Json& pod) {
  const std::string& phase = StringAt(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool PodActive(const kube::Object& pod) {
  return !pod.deleting() && !PodTerminal(pod.json());
}

bool PodReady(const Json& pod) {
  const Json* ready = ConditionOf(pod, "Ready");
  return ready != nullptr && StringAt(*ready, "status") == "True";
}

bool PodAvailable(const Json& pod, std::int64_t min_ready_seconds, base::WallTime now,
                  std::optional<base::Duration>* wait) {
  const Json* ready = ConditionOf(pod, "Ready");
  if (ready == nullptr || StringAt(*ready, "status") != "True") return false;
  if (min_ready_seconds <= 0) return true;
  const auto since = kube::TimeAt(*ready, "lastTransitionTime");
  if (!since) return false;
  const base::Duration missing = *since + std::chrono::seconds(min_ready_seconds) - now;
  if (missing <= base::Duration::zero()) return true;
  if (wait != nullptr && (!*wait || missing < **wait)) *wait = missing;
  return false;
}

}  // namespace enclave::cluster
