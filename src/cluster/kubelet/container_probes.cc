#include "cluster/kubelet/container_probes.h"

namespace enclave::cluster {

using kube::Json;

ContainerProbes::ContainerProbes(base::Executor& executor, Prober& prober, ContainerId id,
                                 const Json& container, const std::string& pod_ip, Known known,
                                 Listener listener)
    : executor_(executor),
      prober_(prober),
      id_(std::move(id)),
      container_(container),
      pod_ip_(pod_ip),
      run_began_(executor.Now() - known.age),
      listener_(std::move(listener)),
      adopted_ready_(known.ready) {
  if (Wants("startupProbe") && !known.started) {
    startup_ = MakeLoop(Type::kStartup, "startupProbe", "Startup", false);
    return;
  }
  BeginAfterStartup();
}

std::unique_ptr<ProbeLoop> ContainerProbes::MakeLoop(Type type, const char* field, const char* name,
                                                     bool passing) {
  ProbeSpec spec = ParseProbe(kube::At(container_, field), container_, pod_ip_);
  const std::optional<std::int64_t> grace = spec.termination_grace_seconds;
  ProbeLoop::Callbacks callbacks;
  callbacks.succeeded = [this, type] { Succeeded(type); };
  callbacks.failed = [this, type, grace](const std::string&) { Failed(type, grace); };
  callbacks.unhealthy = [this, name](const std::string& message) {
    listener_.unhealthy(std::string(name) + " probe failed: " + message);
  };
  // A liveness probe has nobody waiting for its success.
  const bool eager = type != Type::kLiveness && !passing;
  return std::make_unique<ProbeLoop>(executor_, prober_, id_, std::move(spec),
                                     executor_.Now() - run_began_, eager, passing,
                                     std::move(callbacks));
}

void ContainerProbes::BeginAfterStartup() {
  started_ = true;
  if (Wants("livenessProbe"))
    liveness_ = MakeLoop(Type::kLiveness, "livenessProbe", "Liveness", true);
  if (Wants("readinessProbe")) {
    ready_ = adopted_ready_;
    readiness_ = MakeLoop(Type::kReadiness, "readinessProbe", "Readiness", adopted_ready_);
  } else {
    ready_ = true;
  }
}

void ContainerProbes::Succeeded(Type type) {
  if (type == Type::kStartup) {
    startup_.reset();
    BeginAfterStartup();
  } else if (type == Type::kReadiness) {
    ready_ = true;
  }
  listener_.changed();
}

void ContainerProbes::Failed(Type type, std::optional<std::int64_t> grace_seconds) {
  if (type == Type::kReadiness) {
    ready_ = false;
    listener_.changed();
    return;
  }
  const auto kill = listener_.kill;
  kill(type == Type::kStartup ? "startup" : "liveness", grace_seconds);
}

bool ContainerProbes::Wants(const char* field) const {
  return kube::At(container_, field).is_object();
}

}  // namespace enclave::cluster
