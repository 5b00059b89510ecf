// Rolls ReplicaSets of one template over into ReplicaSets of the next, within the bounds of the
// strategy, and keeps the history (Kubernetes pkg/controller/deployment).
//
// One reconcile does one of these and then writes status; each write to a ReplicaSet causes the
// next reconcile:
//
//   deleting              -> status only
//   paused, or rescaled   -> resize the sets that are there, in proportion while a rollout runs
//   Recreate              -> old sets to 0; when their pods are gone: new set to full size
//   RollingUpdate         -> new set up by what maxSurge allows; else old sets down by what
//                            maxUnavailable allows, unhealthy pods first
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <memory>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class DeploymentController {
 public:
  explicit DeploymentController(kube::SharedInformers& informers);

 private:
  kube::Reconciler::Outcome Reconcile(const kube::ObjectName& key);
  void EnqueueForOrphan(const kube::ObjectPtr& before, const kube::ObjectPtr& after);
  void EnqueueForPod(const kube::ObjectPtr& before, const kube::ObjectPtr& after);

  kube::SharedInformers& informers_;
  kube::Informer& deployments_;
  kube::Informer& sets_;
  kube::Informer& pods_;
  kube::EventRecorder events_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
