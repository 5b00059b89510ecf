#include "cluster/kubelet/kubelet_context.h"

#include <fmt/format.h>

namespace enclave::cluster {

PodObjects::PodObjects(kube::SharedInformers& informers)
    : informers_(informers),
      config_maps_(informers.For(kube::kConfigMap)),
      secrets_(informers.For(kube::kSecret)),
      services_(informers.For(kube::kService)) {}

base::Result<kube::ObjectPtr> PodObjects::ConfigMap(const std::string& ns,
                                                    const std::string& name) const {
  return Find(config_maps_, kube::kConfigMap, "configmap", ns, name);
}

base::Result<kube::ObjectPtr> PodObjects::Secret(const std::string& ns,
                                                 const std::string& name) const {
  return Find(secrets_, kube::kSecret, "secret", ns, name);
}

std::vector<kube::ObjectPtr> PodObjects::Services(const std::string& ns) const {
  return services_.List(ns);
}

base::Result<kube::ObjectPtr> PodObjects::Find(kube::Informer& cache, const kube::Kind& kind,
                                               const char* noun, const std::string& ns,
                                               const std::string& name) const {
  if (kube::ObjectPtr cached = cache.Get(ns, name)) return cached;
  base::Result<kube::ObjectPtr> live = informers_.api().Get(kind, ns, name);
  if (live) return live;
  if (live.error().kind() != base::ErrorKind::kNotFound) return base::Fail(live.error());
  return base::Fail(base::ErrorKind::kNotFound, fmt::format("{} \"{}\" not found", noun, name));
}

}  // namespace enclave::cluster
