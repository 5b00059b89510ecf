#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "cli/commands.h"
#include "cli/state.h"
#include "cli/traced_kubeconfig.h"
#include "otel/telemetry.h"
#include "trace/environment.h"

namespace enclave::cli {

int Kubectl(const std::string& state, const std::vector<std::string>& arguments) {
  const auto paths = ResolveState(state);
  if (!paths) return Complain(paths.error());
  std::error_code error;
  if (!std::filesystem::exists(paths->kubeconfig(), error))
    return Complain(base::Error(
        base::ErrorKind::kNotFound,
        fmt::format("no enclave in {}: start one with `enclave up`", paths->root.string())));
  // Under a trace, as of `enclave run`, what kubectl changes carries it.
  std::string kubeconfig = paths->kubeconfig().string();
  std::optional<TracedKubeconfig> traced;
  if (const auto context = trace::ExtractFromEnvironment(otel::ProcessEnvironment)) {
    auto made = TracedKubeconfig::Make(*paths, kubeconfig, context->trace_id, /*inherited=*/true);
    if (!made) return Complain(made.error());
    if (*made) kubeconfig = traced.emplace(*std::move(*made)).path();
  }
  ::setenv("KUBECONFIG", kubeconfig.c_str(), 1);

  std::vector<std::string> argv{"kubectl"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (std::string& argument : argv) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execvp("kubectl", pointers.data());
  return Complain(base::Error(
      base::ErrorKind::kNotFound,
      fmt::format("cannot run kubectl: {}; install Debian's package kubernetes-client, or put any "
                  "kubectl on the PATH",
                  std::strerror(errno))));
}

}  // namespace enclave::cli
