#include "cluster/kubelet/simulated_runtime.h"

#include <fmt/format.h>

#include <csignal>

namespace enclave::cluster {

SimulatedRuntime::SimulatedRuntime(base::Executor& executor) : executor_(executor) {}

SimulatedRuntime::~SimulatedRuntime() {
  *alive_ = false;
}

void SimulatedRuntime::SetExecutable(Executable executable, base::Duration exec_takes) {
  executable_ = std::move(executable);
  exec_takes_ = exec_takes;
}

bool SimulatedRuntime::Exit(const ContainerId& id, int exit_code) {
  return End(id, exit_code, 0, false);
}

bool SimulatedRuntime::Kill(const ContainerId& id, int signal, bool oom_killed) {
  return End(id, 128 + signal, signal, oom_killed);
}

void SimulatedRuntime::Reboot() {
  for (auto& [id, container] : containers_) executor_.Cancel(container.end_timer);
  containers_.clear();
}

const ContainerSpec* SimulatedRuntime::SpecOf(const ContainerId& id) const {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : &found->second.spec;
}

std::vector<ContainerId> SimulatedRuntime::Running() const {
  std::vector<ContainerId> running;
  for (const auto& [id, container] : containers_)
    if (!container.state.exit) running.push_back(id);
  return running;
}

std::vector<ContainerState> SimulatedRuntime::List() {
  std::vector<ContainerState> states;
  states.reserve(containers_.size());
  for (const auto& [id, container] : containers_) states.push_back(container.state);
  return states;
}

base::Result<ContainerState> SimulatedRuntime::Start(const ContainerSpec& spec) {
  if (containers_.contains(spec.id)) {
    return base::Fail(base::ErrorKind::kAlreadyExists,
                      fmt::format("container {} attempt {} of pod {} was started already",
                                  spec.id.container, spec.id.attempt, spec.id.pod_uid));
  }
  SimulatedProgram program = behaviour_ ? behaviour_(spec) : SimulatedProgram{};
  if (program.start_error) return base::Fail(*program.start_error);
  ++started_;
  Container& container = containers_[spec.id];
  container.spec = spec;
  container.program = program;
  container.state.id = spec.id;
  container.state.pid = next_pid_++;
  container.state.started_at = executor_.WallNow();
  container.state.mounts_refused = program.mounts_refused;
  container.started = executor_.Now();
  if (program.run_for) {
    const int signal = program.oom_killed ? SIGKILL : program.signal;
    EndAfter(container, *program.run_for, signal != 0 ? 128 + signal : program.exit_code, signal,
             program.oom_killed);
  }
  return container.state;
}

base::Result<> SimulatedRuntime::Signal(const ContainerId& id, int signal) {
  const auto found = containers_.find(id);
  if (found == containers_.end() || found->second.state.exit)
    return base::Fail(base::ErrorKind::kNotFound, "container " + id.container + " is not running");
  if (signals_.size() < kMaxSignals) signals_.emplace_back(id, signal);
  Container& container = found->second;
  if (signal == SIGKILL) {
    EndAfter(container, {}, 128 + SIGKILL, SIGKILL, false);
  } else if (signal == SIGTERM && !container.program.ignores_sigterm) {
    const auto code = container.program.sigterm_exit_code;
    EndAfter(container, container.program.stop_takes, code.value_or(128 + SIGTERM),
             code ? 0 : SIGTERM, false);
  }
  return {};
}

void SimulatedRuntime::Remove(const ContainerId& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  executor_.Cancel(found->second.end_timer);
  containers_.erase(found);
}

base::Result<ContainerStats> SimulatedRuntime::Stats(const ContainerId& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end() || found->second.state.exit)
    return base::Fail(base::ErrorKind::kNotFound, "container " + id.container + " is not running");
  const Container& container = found->second;
  ContainerStats stats;
  stats.cpu_time = (executor_.Now() - container.started) / 1000 * container.program.cpu_millis;
  stats.memory_bytes = container.program.memory_bytes;
  return stats;
}

void SimulatedRuntime::OnExit(std::function<void(const ContainerState&)> callback) {
  on_exit_ = std::move(callback);
}

void SimulatedRuntime::Exec(const ContainerId& id, std::vector<std::string> argv,
                            std::chrono::milliseconds timeout,
                            std::function<void(base::Result<int>)> done) {
  ExecCapture(id, std::move(argv), timeout,
              [done = std::move(done)](base::Result<ExecOutput> output) {
                if (output) {
                  done(output->exit_code);
                } else {
                  done(std::unexpected(std::move(output).error()));
                }
              });
}

void SimulatedRuntime::ExecCapture(const ContainerId& id, std::vector<std::string> argv,
                                   std::chrono::milliseconds timeout,
                                   std::function<void(base::Result<ExecOutput>)> done) {
  const auto found = containers_.find(id);
  base::Result<ExecOutput> output = ExecOutput{};
  base::Duration takes = exec_takes_;
  if (found == containers_.end() || found->second.state.exit) {
    output =
        base::Fail(base::ErrorKind::kNotFound, "container " + id.container + " is not running");
    takes = {};
  } else if (exec_takes_ > timeout) {
    output = base::Fail(base::ErrorKind::kDeadlineExceeded, "command timed out");
    takes = timeout;
  } else if (executable_) {
    output = executable_(id, argv);
  }
  executor_.After(takes, [done = std::move(done), output = std::move(output)] { done(output); });
}

void SimulatedRuntime::EndAfter(Container& container, base::Duration delay, int exit_code,
                                int signal, bool oom_killed) {
  executor_.Cancel(container.end_timer);
  const ContainerId id = container.state.id;
  container.end_timer = executor_.After(delay, [=, this, alive = alive_] {
    if (*alive) End(id, exit_code, signal, oom_killed);
  });
}

bool SimulatedRuntime::End(const ContainerId& id, int exit_code, int signal, bool oom_killed) {
  const auto found = containers_.find(id);
  if (found == containers_.end() || found->second.state.exit) return false;
  Container& container = found->second;
  executor_.Cancel(container.end_timer);
  container.state.exit =
      ContainerExit{exit_code, signal, oom_killed, container.state.started_at, executor_.WallNow()};
  const ContainerState state = container.state;
  if (on_exit_) on_exit_(state);
  return true;
}

void SimulatedProber::SetBehaviour(Behaviour behaviour, base::Duration takes) {
  behaviour_ = std::move(behaviour);
  takes_ = takes;
}

void SimulatedProber::Run(const ContainerId& id, const Probe& probe,
                          std::function<void(base::Result<>)> done) {
  ++runs_;
  const bool in_time = takes_ <= probe.timeout;
  executor_.After(in_time ? takes_ : base::Duration(probe.timeout), [this, id, probe, in_time,
                                                                     done = std::move(done)] {
    base::Result<> result;
    if (!in_time) {
      result = base::Fail(base::ErrorKind::kDeadlineExceeded, "context deadline exceeded");
    } else if (runtime_.SpecOf(id) == nullptr) {
      result = base::Fail(base::ErrorKind::kUnavailable, "connection refused");
    } else if (behaviour_) {
      result = behaviour_(id, probe);
    }
    done(result);
  });
}

base::Result<Image> SimulatedImages::Resolve(const std::string& name) {
  const auto found = images_.find(name);
  if (found != images_.end()) return found->second;
  if (accept_any_) return Image{"/bin/program", {}, {}, "1"};
  return base::Fail(base::ErrorKind::kNotFound, "image \"" + name + "\" is not in the catalogue");
}

}  // namespace enclave::cluster
