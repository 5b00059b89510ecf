// Life and end of namespaces: what every namespace has from the start (ServiceAccount `default`,
// ConfigMap `kube-root-ca.crt`), the namespaces every cluster has, and finalisation: a deleted
// namespace is emptied of all kinds, and only then goes itself. What it waits for stands in its
// conditions, as Kubernetes writes them (namespaced_resources_deleter.go,
// status_condition_utils.go).
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class NamespaceController {
 public:
  struct Options {
    std::vector<kube::Kind> namespaced_kinds;  // all that must be emptied
    std::string root_ca_pem;                   // published in kube-root-ca.crt
  };
  NamespaceController(kube::SharedInformers& informers, Options options);

 private:
  kube::Reconciler::Outcome Reconcile(const kube::ObjectName& key);
  base::Result<> EnsureDefaults(const std::string& ns);
  base::Result<> CreateIfAbsent(const kube::Kind& kind, const std::string& ns,
                                const kube::Json& object);
  struct Remains {
    std::map<std::string, std::size_t> objects;     // by "pods." or "deployments.apps"
    std::map<std::string, std::size_t> finalizers;  // of these objects
    std::vector<base::Error> failures;
  };

  kube::Reconciler::Outcome Finalise(const kube::Object& object);
  void DeleteAll(const kube::Kind& kind, const std::string& ns, Remains& remains);
  base::Result<> WriteConditions(const kube::Object& object, const Remains& remains);

  kube::SharedInformers& informers_;
  const Options options_;
  kube::Informer& namespaces_;
  kube::Informer& accounts_;
  kube::Informer& config_maps_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
