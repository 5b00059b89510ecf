#include "cluster/controllers/garbage_collector.h"

#include <algorithm>

#include "cluster/controllers/objects.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::BoolAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";
constexpr std::size_t kMaxAbsent = 4096;

bool WaitsForDependents(const kube::Object& object) {
  return object.deleting() && HasFinalizer(object.json(), kForeground);
}

base::Result<> IgnoreNotFound(const base::Result<ObjectPtr>& result) {
  if (!result && result.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(result.error());
  }
  return {};
}

const Json* ReferenceTo(const Json& object, const std::string& uid) {
  for (const Json& reference : ItemsAt(object, "metadata.ownerReferences")) {
    if (StringAt(reference, "uid") == uid) return &reference;
  }
  return nullptr;
}

Json WithoutReference(const kube::Object& object, const std::vector<std::string>& uids) {
  Json changed = object.json();
  for (const std::string& uid : uids) {
    Json kept = WithoutOwner(At(changed, "metadata.ownerReferences"), uid);
    if (kept.empty()) {
      changed["metadata"].erase("ownerReferences");
    } else {
      changed["metadata"]["ownerReferences"] = std::move(kept);
    }
  }
  return changed;
}

}  // namespace

GarbageCollector::GarbageCollector(kube::SharedInformers& informers,
                                   const std::vector<kube::Kind>& kinds)
    : informers_(informers) {
  for (const kube::Kind& kind : kinds) {
    auto collected = std::make_unique<Collected>();
    collected->kind = kind;
    collected->informer = &informers_.For(kind);
    collected_.push_back(std::move(collected));
  }
  for (const auto& owned : collected_) {
    Collected* collected = owned.get();
    collected->reconciler = std::make_unique<kube::Reconciler>(
        informers_, kube::Reconciler::Options{.name = "gc-" + collected->kind.plural},
        [this, collected](const kube::ObjectName& key) { return Reconcile(*collected, key); });
  }
  for (const auto& owned : collected_) {
    Collected* collected = owned.get();
    collected->informer->OnChange(
        [this, collected](const ObjectPtr& before, const ObjectPtr& after) {
          OnChange(*collected, before, after);
        });
  }
}

void GarbageCollector::OnChange(Collected& collected, const ObjectPtr& before,
                                const ObjectPtr& after) {
  if (before != nullptr && (after == nullptr || after->uid() != before->uid())) {
    EnqueueDependents(before->uid());
    EnqueueOwners(*before);
  }
  if (after == nullptr) return;
  // Most changes are of status and mean nothing here.
  const bool relevant =
      before == nullptr || before->uid() != after->uid() ||
      before->deleting() != after->deleting() ||
      At(before->json(), "metadata.ownerReferences") !=
          At(after->json(), "metadata.ownerReferences") ||
      At(before->json(), "metadata.finalizers") != At(after->json(), "metadata.finalizers");
  if (!relevant) return;
  if (before != nullptr && before->uid() == after->uid()) EnqueueOwners(*before);
  if (after->deleting() || !ItemsAt(after->json(), "metadata.ownerReferences").empty()) {
    collected.reconciler->Enqueue({after->ns(), after->name()});
  }
  if (WaitsForDependents(*after)) EnqueueDependents(after->uid());
}

bool GarbageCollector::HasDependents(const std::string& uid) const {
  return std::ranges::any_of(collected_, [&](const auto& collected) {
    return !collected->informer->OwnedBy(uid).empty();
  });
}

void GarbageCollector::EnqueueDependents(const std::string& uid) {
  for (const auto& collected : collected_) {
    for (const ObjectPtr& dependent : collected->informer->OwnedBy(uid)) {
      collected->reconciler->Enqueue({dependent->ns(), dependent->name()});
    }
  }
}

// An owner may be waiting for this dependent to go.
void GarbageCollector::EnqueueOwners(const kube::Object& object) {
  for (const Json& reference : ItemsAt(object.json(), "metadata.ownerReferences")) {
    Collected* collected = Find(reference);
    if (collected == nullptr) continue;
    const std::string ns = collected->kind.namespaced ? object.ns() : "";
    const ObjectPtr owner = collected->informer->Get(ns, StringAt(reference, "name"));
    if (owner != nullptr && owner->deleting()) {
      collected->reconciler->Enqueue({ns, owner->name()});
    }
  }
}

GarbageCollector::Collected* GarbageCollector::Find(const Json& reference) {
  const std::string& api_version = StringAt(reference, "apiVersion");
  const std::string& kind = StringAt(reference, "kind");
  for (const auto& collected : collected_) {
    // Any version of a group names the same objects.
    if (collected->kind.kind != kind) continue;
    const std::size_t slash = api_version.find('/');
    const std::string group =
        slash == std::string::npos ? std::string() : api_version.substr(0, slash);
    if (collected->kind.group == group) return collected.get();
  }
  return nullptr;
}

kube::Reconciler::Outcome GarbageCollector::Reconcile(Collected& collected,
                                                      const kube::ObjectName& key) {
  const ObjectPtr object = collected.informer->Get(key.ns, key.name);
  if (object == nullptr) return std::nullopt;
  if (object->deleting() && HasFinalizer(object->json(), kOrphan)) {
    RETURN_IF_ERROR(FinishOrphan(collected, *object));
    return std::nullopt;
  }
  if (WaitsForDependents(*object)) {
    RETURN_IF_ERROR(FinishForeground(collected, *object));
    return std::nullopt;
  }
  if (!object->deleting()) RETURN_IF_ERROR(CollectIfUnowned(collected, *object));
  return std::nullopt;
}

base::Result<> GarbageCollector::FinishForeground(Collected& collected, const kube::Object& owner) {
  for (const auto& one : collected_) {
    for (const ObjectPtr& dependent : one->informer->OwnedBy(owner.uid())) {
      const Json* reference = ReferenceTo(dependent->json(), owner.uid());
      // Those that block are deleted by their own reconcile; the last of them enqueues this again.
      if (reference != nullptr && BoolAt(*reference, "blockOwnerDeletion")) return {};
    }
  }
  Json changed = owner.json();
  RemoveFinalizer(changed, kForeground);
  return IgnoreNotFound(informers_.api().Update(collected.kind, std::move(changed)));
}

base::Result<> GarbageCollector::FinishOrphan(Collected& collected, const kube::Object& owner) {
  for (const auto& one : collected_) {
    for (const ObjectPtr& dependent : one->informer->OwnedBy(owner.uid())) {
      RETURN_IF_ERROR(IgnoreNotFound(
          informers_.api().Update(one->kind, WithoutReference(*dependent, {owner.uid()}))));
    }
  }
  Json changed = owner.json();
  RemoveFinalizer(changed, kOrphan);
  return IgnoreNotFound(informers_.api().Update(collected.kind, std::move(changed)));
}

void GarbageCollector::RememberAbsent(const std::string& uid) {
  if (!absent_.insert(uid).second) return;
  absent_order_.push_back(uid);
  if (absent_order_.size() > kMaxAbsent) {
    absent_.erase(absent_order_.front());
    absent_order_.pop_front();
  }
}

base::Result<GarbageCollector::OwnerState> GarbageCollector::StateOf(const Json& reference,
                                                                     const std::string& ns) {
  const std::string& uid = StringAt(reference, "uid");
  if (absent_.contains(uid)) return OwnerState::kAbsent;
  Collected* collected = Find(reference);
  if (collected == nullptr) return OwnerState::kSolid;
  const std::string& name = StringAt(reference, "name");
  const std::string owner_ns = collected->kind.namespaced ? ns : "";
  ObjectPtr owner = collected->informer->Get(owner_ns, name);
  if (owner == nullptr || owner->uid() != uid) {
    auto live = informers_.api().Get(collected->kind, owner_ns, name);
    if (!live && live.error().kind() != ErrorKind::kNotFound) {
      return std::unexpected(live.error());
    }
    if (!live || (*live)->uid() != uid) {
      RememberAbsent(uid);
      return OwnerState::kAbsent;
    }
    owner = std::move(*live);
  }
  return WaitsForDependents(*owner) && BoolAt(reference, "blockOwnerDeletion")
             ? OwnerState::kWaiting
             : OwnerState::kSolid;
}

base::Result<> GarbageCollector::CollectIfUnowned(Collected& collected,
                                                  const kube::Object& object) {
  const Json& references = ItemsAt(object.json(), "metadata.ownerReferences");
  if (references.empty()) return {};
  std::size_t solid = 0;
  std::vector<std::string> going;
  bool waiting = false;
  for (const Json& reference : references) {
    ASSIGN_OR_RETURN(const OwnerState state, StateOf(reference, object.ns()));
    if (state == OwnerState::kSolid) {
      ++solid;
    } else {
      going.push_back(StringAt(reference, "uid"));
      waiting = waiting || state == OwnerState::kWaiting;
    }
  }
  if (going.empty()) return {};
  if (solid > 0) {
    return IgnoreNotFound(informers_.api().Update(collected.kind, WithoutReference(object, going)));
  }
  kube::DeleteOptions options;
  options.uid = object.uid();
  // An object that was adopted meanwhile has a newer revision and must live.
  options.revision = object.revision();
  // The chosen way of deleting goes down the chain: whoever waits, waits for the whole tree.
  if (HasFinalizer(object.json(), kOrphan)) {
    options.propagation = "Orphan";
  } else if (HasFinalizer(object.json(), kForeground) || (waiting && HasDependents(object.uid()))) {
    options.propagation = "Foreground";
  } else {
    options.propagation = "Background";
  }
  return IgnoreNotFound(
      informers_.api().Delete(collected.kind, object.ns(), object.name(), options));
}

}  // namespace enclave::cluster
