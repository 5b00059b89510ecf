// What a client must know of a kind of object to address it: group, version, names, scope.
#pragma once

#include <string>
#include <vector>

namespace enclave::kube {

struct Kind {
  std::string group;    // "" for the core group
  std::string version;  // "v1"
  std::string kind;     // "Deployment"
  std::string plural;   // "deployments"
  bool namespaced = true;

  std::string ApiVersion() const { return group.empty() ? version : group + "/" + version; }
  // The field's name for a resource type, unique in a cluster: "pods", "deployments.apps".
  std::string GroupResource() const { return group.empty() ? plural : plural + "." + group; }
  // "/api/v1/namespaces/NS/pods/NAME"; parts left out when empty.
  std::string Path(const std::string& ns, const std::string& name = "",
                   const std::string& subresource = "") const;
};

inline const Kind kNamespace{"", "v1", "Namespace", "namespaces", false};
inline const Kind kNode{"", "v1", "Node", "nodes", false};
inline const Kind kPod{"", "v1", "Pod", "pods"};
inline const Kind kService{"", "v1", "Service", "services"};
inline const Kind kEndpoints{"", "v1", "Endpoints", "endpoints"};
inline const Kind kConfigMap{"", "v1", "ConfigMap", "configmaps"};
inline const Kind kSecret{"", "v1", "Secret", "secrets"};
inline const Kind kServiceAccount{"", "v1", "ServiceAccount", "serviceaccounts"};
inline const Kind kEvent{"", "v1", "Event", "events"};
inline const Kind kDeployment{"apps", "v1", "Deployment", "deployments"};
inline const Kind kReplicaSet{"apps", "v1", "ReplicaSet", "replicasets"};
inline const Kind kEndpointSlice{"discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"};
inline const Kind kLease{"coordination.k8s.io", "v1", "Lease", "leases"};

}  // namespace enclave::kube
