// What a Kubernetes cluster says about an incident: its facts (events, how containers ended,
// conditions of nodes) and the changes that somebody made, told from the objects as they stand.
//
// Objects are read as they come from the API: a field that is missing or of another type is no
// error and says nothing. Values of Secrets are never looked at. Values only; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "incident/context.h"
#include "kube/api.h"

namespace enclave::incident {

struct KubernetesFindings {
  std::vector<KubernetesFact> facts{};
  std::vector<Change> changes{};
  std::vector<std::string> missing{};  // kinds that could not be listed, and why
};

// The objects of a cluster, of one moment.
struct KubernetesObjects {
  std::vector<kube::ObjectPtr> pods{};
  std::vector<kube::ObjectPtr> deployments{};
  std::vector<kube::ObjectPtr> replica_sets{};
  std::vector<kube::ObjectPtr> events{};
  std::vector<kube::ObjectPtr> services{};
  std::vector<kube::ObjectPtr> config_maps{};
  std::vector<kube::ObjectPtr> secrets{};  // of them, metadata alone is read
  std::vector<kube::ObjectPtr> nodes{};
};

struct KubernetesScope {
  std::vector<std::string> namespaces{};  // empty: all; nodes always
};

// Lists the objects. Never fails as a whole: a kind that is refused or not answered is named in
// `missing`. Blocks; not on the loop of the Api.
KubernetesObjects ListKubernetes(kube::Api& api, const KubernetesScope& scope,
                                 std::vector<std::string>* missing);

// What the objects say of a window. Changes are those made within it; facts those seen in it, and
// the states that last (a container that waits in CrashLoopBackOff, a node that is not ready).
KubernetesFindings FindKubernetes(const KubernetesObjects& objects, const Window& window);

// Both.
KubernetesFindings ReadKubernetes(kube::Api& api, const Window& window,
                                  const KubernetesScope& scope = {});

// The service that a workload or pod is for: its label app or app.kubernetes.io/name, else the
// name of its owner, else its own.
std::string ServiceOfObject(const kube::Json& object);

}  // namespace enclave::incident
