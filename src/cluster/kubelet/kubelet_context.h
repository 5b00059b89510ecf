// What the workers of one kubelet share.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/kubelet_options.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

// Objects that pods refer to: from the watched cache, and live when the cache does not have them
// yet (a pod may be seen before the ConfigMap that was applied with it).
class PodObjects {
 public:
  explicit PodObjects(kube::SharedInformers& informers);

  // kNotFound: configmap "NAME" not found.
  base::Result<kube::ObjectPtr> ConfigMap(const std::string& ns, const std::string& name) const;
  base::Result<kube::ObjectPtr> Secret(const std::string& ns, const std::string& name) const;
  std::vector<kube::ObjectPtr> Services(const std::string& ns) const;

  kube::Informer& config_maps() const { return config_maps_; }
  kube::Informer& secrets() const { return secrets_; }

 private:
  base::Result<kube::ObjectPtr> Find(kube::Informer& cache, const kube::Kind& kind,
                                     const char* noun, const std::string& ns,
                                     const std::string& name) const;

  kube::SharedInformers& informers_;
  kube::Informer& config_maps_;
  kube::Informer& secrets_;
  kube::Informer& services_;
};

struct KubeletContext {
  const KubeletOptions& options;
  const KubeletDependencies& ports;
  const PodObjects& objects;
  kube::EventRecorder& events;

  base::Executor& executor() const { return ports.informers.executor(); }
  base::MonoTime Now() const { return executor().Now(); }
  base::WallTime WallNow() const { return executor().WallNow(); }
};

}  // namespace enclave::cluster
