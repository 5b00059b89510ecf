#include "cli/cluster_access.h"

#include <fmt/format.h>

#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "otel/context.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;

// A Service in the namespace of its name, by its port named "http".
Result<std::string> UrlOfService(kube::Api& api, const std::string& name) {
  ASSIGN_OR_RETURN(const auto service, api.Get(kube::kService, name, name));
  for (const kube::Json& port : kube::At(service->json(), "spec.ports"))
    if (kube::StringAt(port, "name") == "http")
      return fmt::format("http://{}:{}", kube::StringAt(service->json(), "spec.clusterIP"),
                         kube::IntAt(port, "port"));
  return Fail(ErrorKind::kNotFound,
              fmt::format("the Service {0}/{0} has no port named http", name));
}

Result<std::string> UrlIn(const StatePaths& paths, const std::string& name) {
  if (!FindClusterProcess(paths))
    return Fail(
        ErrorKind::kNotFound,
        fmt::format("no enclave runs in {}: start it with `enclave up`", paths.root.string()));
  net::EventLoop loop("enclave");
  ASSIGN_OR_RETURN(const auto api, OpenApi(paths, loop));
  auto url = UrlOfService(*api, name);
  if (!url && url.error().kind() == ErrorKind::kNotFound)
    return Fail(ErrorKind::kNotFound,
                fmt::format("the enclave in {} has no {}: start one without --bare",
                            paths.root.string(), name));
  return url;
}

}  // namespace

Result<std::unique_ptr<kube::Api>> OpenApi(const StatePaths& paths, net::EventLoop& loop) {
  ASSIGN_OR_RETURN(const auto kubeconfig, kube::Kubeconfig::Load({paths.kubeconfig().string()}));
  ASSIGN_OR_RETURN(const auto config, kubeconfig.Resolve());
  ASSIGN_OR_RETURN(auto client, kube::Client::Connect(loop, config));
  client->SetCurrentTrace(otel::CurrentTrace);
  return client;
}

Result<std::string> ObservatoryUrl(const StatePaths& paths) {
  return UrlIn(paths, "observatory");
}

Result<std::string> AgentUrl(const StatePaths& paths) {
  return UrlIn(paths, "agent");
}

}  // namespace enclave::cli
