#include "cli/observatory_access.h"

#include <fmt/format.h>

#include "cli/cluster_access.h"

namespace enclave::cli {

using base::ErrorKind;

base::Result<std::string> ObservatoryUrl(const StatePaths& paths) {
  if (!FindClusterProcess(paths))
    return base::Fail(
        ErrorKind::kNotFound,
        fmt::format("no enclave runs in {}: start it with `enclave up`", paths.root.string()));
  net::EventLoop loop("enclave");
  ASSIGN_OR_RETURN(const auto api, OpenApi(paths, loop));
  const auto service = api->Get(kube::kService, "observatory", "observatory");
  if (!service) {
    if (service.error().kind() != ErrorKind::kNotFound) return std::unexpected(service.error());
    return base::Fail(ErrorKind::kNotFound,
                      fmt::format("the enclave in {} has no observatory: start one without --bare",
                                  paths.root.string()));
  }
  for (const kube::Json& port : kube::At((*service)->json(), "spec.ports"))
    if (kube::StringAt(port, "name") == "http")
      return fmt::format("http://{}:{}", kube::StringAt((*service)->json(), "spec.clusterIP"),
                         kube::IntAt(port, "port"));
  return base::Fail(ErrorKind::kNotFound, "the service observatory has no port named http");
}

}  // namespace enclave::cli
