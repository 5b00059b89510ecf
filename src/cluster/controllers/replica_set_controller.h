// Keeps as many pods as a ReplicaSet asks for: creates from its template, deletes the least
// valuable first, adopts and releases by selector, and reports counts in status (Kubernetes
// pkg/controller/replicaset).
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class ReplicaSetController {
 public:
  explicit ReplicaSetController(kube::SharedInformers& informers);

 private:
  kube::Reconciler::Outcome Reconcile(const kube::ObjectName& key);
  base::Result<> CreatePods(const kube::ObjectPtr& set, std::int64_t count);
  base::Result<> DeletePods(const kube::ObjectPtr& set, std::vector<kube::ObjectPtr> active,
                            std::size_t count);
  base::Result<> WriteStatus(const kube::ObjectPtr& set, const base::Result<>& managed,
                             std::int64_t missing, std::optional<base::Duration>* wait);
  void EnqueueMatching(const kube::ObjectPtr& before, const kube::ObjectPtr& after);

  kube::SharedInformers& informers_;
  kube::Informer& sets_;
  kube::Informer& pods_;
  kube::EventRecorder events_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
