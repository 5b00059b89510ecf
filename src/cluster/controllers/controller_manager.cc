#include "cluster/controllers/controller_manager.h"

#include "cluster/controllers/deployment_controller.h"
#include "cluster/controllers/endpoint_slice_controller.h"
#include "cluster/controllers/endpoints_controller.h"
#include "cluster/controllers/garbage_collector.h"
#include "cluster/controllers/namespace_controller.h"
#include "cluster/controllers/replica_set_controller.h"

namespace enclave::cluster {
namespace {

// Events own nothing and are owned by nothing; they are many.
std::vector<kube::Kind> Collectable(const std::vector<kube::Kind>& kinds) {
  std::vector<kube::Kind> kept;
  for (const kube::Kind& kind : kinds) {
    if (kind.kind != kube::kEvent.kind) kept.push_back(kind);
  }
  return kept;
}

std::vector<kube::Kind> Namespaced(const std::vector<kube::Kind>& kinds) {
  std::vector<kube::Kind> kept;
  for (const kube::Kind& kind : kinds) {
    if (kind.namespaced) kept.push_back(kind);
  }
  return kept;
}

}  // namespace

struct ControllerManager::Impl {
  Impl(kube::SharedInformers& informers, const Options& options)
      : namespaces(informers, {.namespaced_kinds = Namespaced(options.kinds),
                               .root_ca_pem = options.root_ca_pem}),
        kubernetes(informers, options.kubernetes_service),
        deployments(informers),
        replica_sets(informers),
        endpoints(informers),
        slices(informers),
        garbage(informers, Collectable(options.kinds)),
        events(informers, options.event_expiry),
        pods(informers, options.pod_garbage),
        nodes(informers, options.node_lifecycle) {}

  NamespaceController namespaces;
  KubernetesService kubernetes;
  DeploymentController deployments;
  ReplicaSetController replica_sets;
  EndpointsController endpoints;
  EndpointSliceController slices;
  GarbageCollector garbage;
  EventExpiry events;
  PodGarbage pods;
  NodeLifecycle nodes;
};

ControllerManager::ControllerManager(kube::SharedInformers& informers, const Options& options)
    : impl_(std::make_unique<Impl>(informers, options)) {}

ControllerManager::~ControllerManager() = default;

}  // namespace enclave::cluster
