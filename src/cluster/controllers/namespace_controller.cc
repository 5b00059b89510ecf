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
  std::vector<std::string> remaining;
  for (const kube::Kind& kind : options_.namespaced_kinds) {
    // Live, not from the cache: what is not seen here is lost for ever.
    ASSIGN_OR_RETURN(const kube::ObjectList list,
                     informers_.api().List(kind, {.ns = object.name()}));
    std::size_t left = 0;
    for (const ObjectPtr& item : list.items) {
      if (!item->deleting()) {
        const auto deleted = informers_.api().Delete(
            kind, item->ns(), item->name(), {.propagation = "Background", .uid = item->uid()});
        if (!deleted && deleted.error().kind() != ErrorKind::kNotFound &&
            deleted.error().kind() != ErrorKind::kConflict) {
          return std::unexpected(deleted.error());
        }
        // Without finalizers and grace it is gone at once.
        const auto still = informers_.api().Get(kind, item->ns(), item->name());
        if (!still && still.error().kind() == ErrorKind::kNotFound) continue;
      }
      ++left;
    }
    if (left > 0)
      remaining.push_back(fmt::format("{} has {} resource instances", kind.GroupResource(), left));
  }
  if (!remaining.empty()) {
    RETURN_IF_ERROR(WriteConditions(object, remaining));
    return kLookAgain;
  }
  Json changed = object.json();
  Json kept = Json::array();
  for (const Json& finalizer : ItemsAt(changed, "spec.finalizers")) {
    if (finalizer != "kubernetes") kept.push_back(finalizer);
  }
  if (kept.size() == ItemsAt(changed, "spec.finalizers").size()) return std::nullopt;
  ObjectAt(changed, "spec")["finalizers"] = std::move(kept);
  const auto written = informers_.api().Update(kube::kNamespace, std::move(changed), "finalize");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return std::nullopt;
}

base::Result<> NamespaceController::WriteConditions(const kube::Object& object,
                                                    const std::vector<std::string>& remaining) {
  Json conditions = ItemsAt(object.json(), "status.conditions");
  const std::string message =
      fmt::format("Some resources are remaining: {}", fmt::join(remaining, ", "));
  const Json* current = ConditionOf(object.json(), "NamespaceContentRemaining");
  if (current != nullptr && StringAt(*current, "message") == message) return {};
  RemoveCondition(conditions, "NamespaceContentRemaining");
  SetCondition(conditions, "NamespaceContentRemaining", "True", "SomeResourcesRemain", message,
               kube::FormatTime(informers_.executor().WallNow()), false);
  Json changed = object.json();
  ObjectAt(changed, "status")["conditions"] = std::move(conditions);
  const auto written = informers_.api().Update(kube::kNamespace, std::move(changed), "status");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return {};
}

}  // namespace enclave::cluster
