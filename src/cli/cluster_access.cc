#include "cli/cluster_access.h"

#include "kube/client.h"
#include "kube/kubeconfig.h"

namespace enclave::cli {

base::Result<std::unique_ptr<kube::Api>> OpenApi(const StatePaths& paths, net::EventLoop& loop) {
  ASSIGN_OR_RETURN(const auto kubeconfig, kube::Kubeconfig::Load({paths.kubeconfig().string()}));
  ASSIGN_OR_RETURN(const auto config, kubeconfig.Resolve());
  return kube::Client::Connect(loop, config);
}

}  // namespace enclave::cli
