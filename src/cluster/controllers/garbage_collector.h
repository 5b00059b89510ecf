// Deletes what lost all its owners, and carries out the two slower ways of deleting an owner
// (Kubernetes pkg/controller/garbagecollector):
//
//   all owners absent                         -> the dependent is deleted in the background
//   owner has finalizer foregroundDeletion    -> dependents are deleted; when none is left that
//                                                blocks, the finalizer goes and with it the owner
//   owner has finalizer orphan                -> dependents lose their reference to it, then the
//                                                finalizer goes
//   some owners absent or on their way out    -> references to those are removed, the rest stay
//
// An owner that the cache does not have is read live before anything is deleted; owners are known
// by uid, so a new object of the same name is no owner. References to kinds that are not collected
// are trusted.
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class GarbageCollector {
 public:
  // `kinds`: every kind whose objects may own or be owned.
  GarbageCollector(kube::SharedInformers& informers, const std::vector<kube::Kind>& kinds);

 private:
  struct Collected {
    kube::Kind kind;
    kube::Informer* informer = nullptr;
    std::unique_ptr<kube::Reconciler> reconciler;
  };
  enum class OwnerState { kSolid, kWaiting, kAbsent };

  void OnChange(Collected& collected, const kube::ObjectPtr& before, const kube::ObjectPtr& after);
  kube::Reconciler::Outcome Reconcile(Collected& collected, const kube::ObjectName& key);
  base::Result<> FinishForeground(Collected& collected, const kube::Object& owner);
  base::Result<> FinishOrphan(Collected& collected, const kube::Object& owner);
  base::Result<> CollectIfUnowned(Collected& collected, const kube::Object& object);
  base::Result<OwnerState> StateOf(const kube::Json& reference, const std::string& ns);
  Collected* Find(const kube::Json& reference);
  bool HasDependents(const std::string& uid) const;
  void EnqueueDependents(const std::string& uid);
  void EnqueueOwners(const kube::Object& object);
  void RememberAbsent(const std::string& uid);

  kube::SharedInformers& informers_;
  std::vector<std::unique_ptr<Collected>> collected_;
  // Uids that were read live and are gone: a uid never comes back. Bounded.
  std::set<std::string> absent_;
  std::deque<std::string> absent_order_;
};

}  // namespace enclave::cluster
