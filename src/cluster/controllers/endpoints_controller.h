// Writes one Endpoints object for each Service with a selector (Kubernetes
// pkg/controller/endpoint). Endpoints of Services without a selector belong to whoever wrote them
// and are left alone.
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <set>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class EndpointsController {
 public:
  explicit EndpointsController(kube::SharedInformers& informers);

 private:
  kube::Reconciler::Outcome Reconcile(const kube::ObjectName& key);
  void EnqueueForPod(const kube::ObjectPtr& before, const kube::ObjectPtr& after);

  kube::SharedInformers& informers_;
  kube::Informer& services_;
  kube::Informer& endpoints_;
  kube::Informer& pods_;
  // Services seen to vanish, whose Endpoints go with them even when we did not write them.
  std::set<kube::ObjectName> vanished_;
  kube::Reconciler reconciler_;
};

// Enqueues into `reconciler` every Service of the pod's namespace that selects the pod as it was or
// as it is.
void EnqueueServicesOfPod(kube::Informer& services, kube::Reconciler& reconciler,
                          const kube::ObjectPtr& before, const kube::ObjectPtr& after);

}  // namespace enclave::cluster
