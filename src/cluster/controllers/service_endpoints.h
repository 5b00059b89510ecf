// What Endpoints and EndpointSlices have in common: which pods stand behind a Service, on which
// ports, in which condition. Pure functions, thread-safe.
#pragma once

#include <string>
#include <vector>

#include "kube/kind.h"
#include "kube/object.h"

namespace enclave::cluster {

struct ServiceEndpoint {
  std::string ip;
  kube::Json ports;  // [{name?, port, protocol, appProtocol?}], sorted; [] for a portless Service
  bool serving = false;      // the pod is Ready
  bool terminating = false;  // the pod is being deleted
  bool ready = false;        // takes traffic: serving and not terminating, or published anyway
  std::string node;          // "" unknown
  std::string hostname;      // "" unless the pod claims one within this Service
  kube::Json target;         // an ObjectReference to the pod
  std::string pod_uid;
};

// True for Services whose endpoints are made here: with a selector, not ExternalName.
bool HasManagedEndpoints(const kube::Json& service);
bool PublishesNotReady(const kube::Json& service);
bool IsHeadless(const kube::Json& service);

// Running pods that match, sorted by address. Pods that ended, or have no address yet, are left
// out; so is a port whose targetPort a pod does not name.
std::vector<ServiceEndpoint> EndpointsOf(const kube::Json& service,
                                         const std::vector<kube::ObjectPtr>& pods_of_namespace);

// Whether a pod's change can matter to endpoints at all (most status updates do not).
bool EndpointChanged(const kube::Object& before, const kube::Object& after);

}  // namespace enclave::cluster
