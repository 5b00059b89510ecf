#include "cluster/controllers/claim.h"

#include "cluster/controllers/objects.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using kube::ObjectPtr;

// A dependent that is gone is nobody's. Any other failure ends the reconcile: whose the object is
// must be known before others are made in its place.
bool Gone(const base::Error& error) {
  return error.kind() == ErrorKind::kNotFound;
}

base::Result<ObjectPtr> Adopt(kube::Api& api, const kube::Kind& owner_kind,
                              const kube::Object& owner, const kube::Kind& kind,
                              const kube::Object& orphan) {
  Json changed = orphan.json();
  ArrayAt(changed["metadata"], "ownerReferences").push_back(ControllerReference(owner_kind, owner));
  return api.Update(kind, std::move(changed));
}

base::Result<ObjectPtr> Release(kube::Api& api, const kube::Object& owner, const kube::Kind& kind,
                                const kube::Object& dependent) {
  Json changed = dependent.json();
  Json kept = WithoutOwner(kube::At(changed, "metadata.ownerReferences"), owner.uid());
  if (kept.empty()) {
    changed["metadata"].erase("ownerReferences");
  } else {
    changed["metadata"]["ownerReferences"] = std::move(kept);
  }
  return api.Update(kind, std::move(changed));
}

}  // namespace

base::Result<std::vector<ObjectPtr>> ClaimDependents(
    kube::SharedInformers& informers, const kube::Kind& owner_kind, const kube::Object& owner,
    const kube::LabelSelector& selector, const kube::Kind& kind, kube::Informer& dependents) {
  std::vector<ObjectPtr> claimed;
  std::vector<ObjectPtr> orphans;
  for (const ObjectPtr& dependent : dependents.List(owner.ns())) {
    const std::string& controller = ControllerUid(dependent->json());
    if (controller.empty()) {
      if (!owner.deleting() && !dependent->deleting() && !PodTerminal(dependent->json()) &&
          selector.Matches(kube::At(dependent->json(), "metadata.labels"))) {
        orphans.push_back(dependent);
      }
      continue;
    }
    if (controller != owner.uid()) continue;
    if (owner.deleting() || selector.Matches(kube::At(dependent->json(), "metadata.labels"))) {
      claimed.push_back(dependent);
      continue;
    }
    auto released = Release(informers.api(), owner, kind, *dependent);
    if (!released && !Gone(released.error())) return std::unexpected(released.error());
  }
  if (orphans.empty()) return claimed;

  auto live = informers.api().Get(owner_kind, owner.ns(), owner.name());
  if (!live) {
    if (Gone(live.error())) return claimed;
    return std::unexpected(live.error());
  }
  if ((*live)->uid() != owner.uid() || (*live)->deleting()) return claimed;
  for (const ObjectPtr& orphan : orphans) {
    auto adopted = Adopt(informers.api(), owner_kind, owner, kind, *orphan);
    if (adopted) {
      claimed.push_back(std::move(*adopted));
    } else if (!Gone(adopted.error())) {
      return std::unexpected(adopted.error());
    }
  }
  return claimed;
}

}  // namespace enclave::cluster
