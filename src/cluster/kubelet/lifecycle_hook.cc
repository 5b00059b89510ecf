#include "cluster/kubelet/lifecycle_hook.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster/kubelet/probe_spec.h"

namespace enclave::cluster {

using kube::Json;

LifecycleHook::LifecycleHook(const KubeletContext& context, const ContainerId& id,
                             const Json& action, const Json& container, const std::string& pod_ip,
                             base::Duration timeout, std::function<void(base::Result<>)> done)
    : done_(std::move(done)), timer_(context.executor()) {
  const auto finish = [this, alive = alive_](base::Result<> result) {
    if (*alive) Finish(std::move(result));
  };
  if (const Json& sleep = kube::At(action, "sleep"); sleep.is_object()) {
    const std::chrono::seconds wanted(
        std::clamp<std::int64_t>(kube::IntAt(sleep, "seconds"), 0, 1 << 30));
    timer_.Set(std::min<base::Duration>(wanted, timeout), [finish] { finish({}); });
    return;
  }
  timer_.Set(timeout, [finish] {
    finish(base::Fail(base::ErrorKind::kDeadlineExceeded, "the hook did not end in time"));
  });
  base::Result<Probe> probe = ParseProbeAction(action, container, pod_ip);
  if (!probe) {
    context.executor().Post([finish, error = probe.error()] { finish(base::Fail(error)); });
    return;
  }
  probe->timeout = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
  if (probe->type != Probe::Type::kExec) {
    context.ports.prober.Run(id, *probe, finish);
    return;
  }
  context.ports.runtime.ExecCapture(
      id, probe->command, probe->timeout, [finish](base::Result<ExecOutput> output) {
        if (!output) {
          finish(base::Fail(output.error()));
        } else if (output->exit_code != 0) {
          finish(base::Fail(
              base::ErrorKind::kUnavailable,
              fmt::format("command exited with {}: {}", output->exit_code, output->output)));
        } else {
          finish({});
        }
      });
}

LifecycleHook::~LifecycleHook() {
  *alive_ = false;
}

void LifecycleHook::Finish(base::Result<> result) {
  timer_.Cancel();
  if (!done_) return;
  const auto done = std::move(done_);
  done_ = nullptr;
  done(std::move(result));
}

}  // namespace enclave::cluster
