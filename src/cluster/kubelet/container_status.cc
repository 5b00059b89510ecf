#include "cluster/kubelet/container_status.h"

#include "kube/object.h"

namespace enclave::cluster {

base::Result<ShimStatus> ParseShimStatus(std::string_view text) {
  kube::Json json = kube::Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || kube::IntAt(json, "version") != 1) {
    return base::Fail(base::ErrorKind::kInvalidArgument, "not a container status of this version");
  }
  ShimStatus status;
  status.container_id = kube::StringAt(json, "containerId");
  status.boot_id = kube::StringAt(json, "bootId");
  status.shim_pid = kube::IntAt(json, "shimPid");
  status.shim_start_ticks = static_cast<std::uint64_t>(kube::IntAt(json, "shimStartTicks"));
  status.pid = kube::IntAt(json, "pid");
  status.start_ticks = static_cast<std::uint64_t>(kube::IntAt(json, "startTicks"));
  status.started_at_ns = kube::IntAt(json, "startedAtNs");
  status.isolated = kube::BoolAt(json, "isolated");
  const kube::Json& warnings = kube::At(json, "warnings");
  if (warnings.is_array()) {
    for (const kube::Json& warning : warnings) {
      if (warning.is_string()) status.warnings.push_back(warning.get<std::string>());
    }
  }
  status.exited = kube::BoolAt(json, "exited");
  if (status.exited) {
    status.exit_code = static_cast<int>(kube::IntAt(json, "exitCode"));
    status.signal = static_cast<int>(kube::IntAt(json, "signal"));
    status.oom_killed = kube::BoolAt(json, "oomKilled");
    status.finished_at_ns = kube::IntAt(json, "finishedAtNs");
  }
  if (status.container_id.empty() || status.pid <= 0 || status.pid > INT32_MAX ||
      status.shim_pid <= 0 || status.shim_pid > INT32_MAX) {
    return base::Fail(base::ErrorKind::kInvalidArgument, "a container status without a process");
  }
  return status;
}

}  // namespace enclave::cluster
