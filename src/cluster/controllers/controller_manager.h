// All controllers of the control plane over one set of informers. Made when the API is up;
// destroying it stops them all. State is in the API only: a new manager goes on where the last one
// stopped.
//
// Thread safety: made, used and destroyed in tasks of the informers' executor (or before it runs).
#pragma once

#include <memory>
#include <vector>

#include "cluster/controllers/event_expiry.h"
#include "cluster/controllers/kubernetes_service.h"
#include "cluster/controllers/node_lifecycle.h"
#include "cluster/controllers/pod_garbage.h"
#include "kube/informer.h"
#include "kube/kind.h"

namespace enclave::cluster {

class ControllerManager {
 public:
  struct Options {
    // Every kind that can be deleted; the garbage collector and the end of namespaces cover these.
    std::vector<kube::Kind> kinds = {kube::kNamespace,  kube::kNode,       kube::kPod,
                                     kube::kService,    kube::kEndpoints,  kube::kEvent,
                                     kube::kConfigMap,  kube::kSecret,     kube::kServiceAccount,
                                     kube::kDeployment, kube::kReplicaSet, kube::kEndpointSlice,
                                     kube::kLease};
    std::string root_ca_pem;
    KubernetesService::Options kubernetes_service;
    EventExpiry::Options event_expiry;
    PodGarbage::Options pod_garbage;
    NodeLifecycle::Options node_lifecycle;
  };

  ControllerManager(kube::SharedInformers& informers, const Options& options);
  ~ControllerManager();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::cluster
