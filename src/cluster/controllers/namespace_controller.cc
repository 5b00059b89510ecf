#include "cluster/controllers/namespace_controller.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/controllers/objects.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

const std::string kRootCa = "kube-root-ca.crt";
// Content goes by its own events; this is for what sends none.
constexpr std::chrono::seconds kLookAgain{1};

// The bootstrap namespaces are reconciled under this key, before any namespace exists.
const kube::ObjectName kBootstrap{"", "\n"};

}  // namespace

NamespaceController::NamespaceController(kube::SharedInformers& informers, Options options)
    : informers_(informers),
      options_(std::move(options)),
      namespaces_(informers.For(kube::kNamespace)),
      accounts_(informers.For(kube::kServiceAccount)),
      config_maps_(informers.For(kube::kConfigMap)),
      reconciler_(informers, {.name = "namespace"},
                  [this](const kube::ObjectName& key) { return Reconcile(key); }) {
  reconciler_.Enqueue(kBootstrap);
  reconciler_.EnqueueChangesOf(namespaces_);
  const auto on_default = [this](const ObjectPtr& before, const ObjectPtr& after) {
    const kube::Object& object = after != nullptr ? *after : *before;
    if (object.name() == "default" || object.name() == kRootCa) {
      reconciler_.Enqueue({"", object.ns()});
    }
  };
  accounts_.OnChange(on_default);
  config_maps_.OnChange(on_default);
  // The last object to go lets its namespace go.
  for (const kube::Kind& kind : options_.namespaced_kinds) {
    informers_.For(kind).OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
      if (after != nullptr) return;
      const ObjectPtr ns = namespaces_.Get("", before->ns());
      if (ns != nullptr && ns->deleting()) reconciler_.Enqueue({"", before->ns()});
    });
  }
}

base::Result<> NamespaceController::CreateIfAbsent(const kube::Kind& kind, const std::string& ns,
                                                   const Json& object) {
  const auto created = informers_.api().Create(kind, ns, object);
  // A namespace that has just been deleted takes nothing new.
  if (!created && created.error().kind() != ErrorKind::kAlreadyExists &&
      created.error().kind() != ErrorKind::kPermissionDenied &&
      created.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(created.error());
  }
  return {};
}

kube::Reconciler::Outcome NamespaceController::Reconcile(const kube::ObjectName& key) {
  if (key == kBootstrap) {
    for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
      if (namespaces_.Get("", name) != nullptr) continue;
      RETURN_IF_ERROR(CreateIfAbsent(
          kube::kNamespace, "",
          {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", name}}}}));
    }
    return std::nullopt;
  }
  const ObjectPtr ns = namespaces_.Get("", key.name);
  if (ns == nullptr) return std::nullopt;
  if (ns->deleting()) return Finalise(*ns);
  RETURN_IF_ERROR(EnsureDefaults(key.name));
  return std::nullopt;
}

base::Result<> NamespaceController::EnsureDefaults(const std::string& ns) {
  if (accounts_.Get(ns, "default") == nullptr) {
    RETURN_IF_ERROR(CreateIfAbsent(kube::kServiceAccount, ns,
                                   {{"apiVersion", "v1"},
                                    {"kind", "ServiceAccount"},
                                    {"metadata", {{"name", "default"}, {"namespace", ns}}}}));
  }
  const ObjectPtr ca = config_maps_.Get(ns, kRootCa);
  const Json data{{"ca.crt", options_.root_ca_pem}};
  if (ca == nullptr) {
    return CreateIfAbsent(kube::kConfigMap, ns,
                          {{"apiVersion", "v1"},
                           {"kind", "ConfigMap"},
                           {"metadata", {{"name", kRootCa}, {"namespace", ns}}},
                           {"data", data}});
  }
  if (ca->deleting() || kube::At(ca->json(), "data") == data) return {};
  Json changed = ca->json();
  changed["data"] = data;
  RETURN_IF_ERROR(informers_.api().Update(kube::kConfigMap, std::move(changed)));
  return {};
}

kube::Reconciler::Outcome NamespaceController::Finalise(const kube::Object& object) {
  Remains remains;
  for (const kube::Kind& kind : options_.namespaced_kinds) DeleteAll(kind, object.name(), remains);
  if (!remains.objects.empty() || !remains.failures.empty()) {
    RETURN_IF_ERROR(WriteConditions(object, remains));
    if (!remains.failures.empty()) return std::unexpected(remains.failures.front());
    return kLookAgain;
  }
  Json changed = object.json();
  Json kept = Json::array();
  for (const Json& finalizer : ItemsAt(changed, "spec.finalizers")) {
    if (finalizer != "kubernetes") kept.push_back(finalizer);
  }
  // Empty, but somebody else holds it.
  if (kept.size() == ItemsAt(changed, "spec.finalizers").size()) {
    RETURN_IF_ERROR(WriteConditions(object, remains));
    return std::nullopt;
  }
  ObjectAt(changed, "spec")["finalizers"] = std::move(kept);
  const auto written = informers_.api().Update(kube::kNamespace, std::move(changed), "finalize");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return std::nullopt;
}

// A failure does not keep the other objects and kinds from being deleted.
void NamespaceController::DeleteAll(const kube::Kind& kind, const std::string& ns,
                                    Remains& remains) {
  // Live, not from the cache: what is not seen here is lost for ever.
  const auto list = informers_.api().List(kind, {.ns = ns});
  if (!list) {
    remains.failures.push_back(list.error());
    return;
  }
  for (const ObjectPtr& item : list->items) {
    if (!item->deleting()) {
      const auto deleted = informers_.api().Delete(
          kind, item->ns(), item->name(), {.propagation = "Background", .uid = item->uid()});
      if (!deleted && deleted.error().kind() != ErrorKind::kNotFound &&
          deleted.error().kind() != ErrorKind::kConflict) {
        remains.failures.push_back(deleted.error());
      }
      // Without finalizers and grace it is gone at once.
      const auto still = informers_.api().Get(kind, item->ns(), item->name());
      if (!still && still.error().kind() == ErrorKind::kNotFound) continue;
    }
    ++remains.objects[kind.plural + "." + kind.group];
    for (const Json& finalizer : ItemsAt(item->json(), "metadata.finalizers")) {
      if (finalizer.is_string()) ++remains.finalizers[finalizer.get<std::string>()];
    }
  }
}

base::Result<> NamespaceController::WriteConditions(const kube::Object& object,
                                                    const Remains& remains) {
  struct Condition {
    const char* type;
    bool status;
    const char* reason;
    std::string message;
  };
  std::vector<Condition> wanted = {
      {"NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
       "All resources successfully discovered"},
      {"NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
       "All legacy kube types successfully parsed"},
      {"NamespaceDeletionContentFailure", false, "ContentDeleted",
       "All content successfully deleted, may be waiting on finalization"},
      {"NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed"},
      {"NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
       "All content-preserving finalizers finished"},
  };
  const auto join = [](const auto& counts, std::string_view words) {
    std::vector<std::string> parts;
    for (const auto& [name, count] : counts)
      parts.push_back(fmt::format("{} {} {} resource instances", name, words, count));
    return fmt::format("{}", fmt::join(parts, ", "));
  };
  if (!remains.failures.empty()) {
    wanted[2] = {wanted[2].type, true, "ContentDeletionFailed",
                 fmt::format("Failed to delete all resource types, {} remaining: {}",
                             remains.failures.size(), remains.failures.front().message())};
  }
  if (!remains.objects.empty()) {
    wanted[3] = {wanted[3].type, true, "SomeResourcesRemain",
                 "Some resources are remaining: " + join(remains.objects, "has")};
  }
  if (!remains.finalizers.empty()) {
    wanted[4] = {wanted[4].type, true, "SomeFinalizersRemain",
                 "Some content in the namespace has finalizers remaining: " +
                     join(remains.finalizers, "in")};
  }
  Json conditions = ItemsAt(object.json(), "status.conditions");
  const std::string now = kube::FormatTime(informers_.executor().WallNow());
  for (const Condition& condition : wanted) {
    const char* status = condition.status ? "True" : "False";
    const Json* before = ConditionOf(object.json(), condition.type);
    const bool same = before != nullptr && StringAt(*before, "status") == status;
    if (same && StringAt(*before, "reason") == condition.reason &&
        StringAt(*before, "message") == condition.message) {
      continue;
    }
    const std::string since = same ? StringAt(*before, "lastTransitionTime") : now;
    RemoveCondition(conditions, condition.type);
    SetCondition(conditions, condition.type, status, condition.reason, condition.message, since,
                 false);
  }
  if (conditions == ItemsAt(object.json(), "status.conditions")) return {};
  Json changed = object.json();
  ObjectAt(changed, "status")["conditions"] = std::move(conditions);
  const auto written = informers_.api().Update(kube::kNamespace, std::move(changed), "status");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return {};
}

}  // namespace enclave::cluster
