// The startup, liveness and readiness probes of one run of a container.
//
//                  | startup succeeds       | startup fails | liveness fails | readiness changes
//   starting       | started; both others   | kill          | -              | -
//                  | begin                  |               |                |
//   started        | -                      | -             | kill           | ready or not ready
//
// Without a startup probe a container is started at once, without a readiness probe it is ready
// when started.
//
// Thread safety: lives on the executor. Once destroyed it calls nothing any more.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/kubelet/probe_loop.h"

namespace enclave::cluster {

class ContainerProbes {
 public:
  struct Listener {
    std::function<void()> changed;  // started() or ready() did
    // A Warning event "Unhealthy": "Readiness probe failed: ...".
    std::function<void(const std::string& message)> unhealthy;
    // Kill it: `probe` is "liveness" or "startup". May destroy the probes.
    std::function<void(const std::string& probe, std::optional<std::int64_t> grace_seconds)> kill;
  };
  // What is known of the run already: of one that is adopted, from its pod's status.
  struct Known {
    base::Duration age{};
    bool started = false;
    bool ready = false;
  };

  ContainerProbes(base::Executor& executor, Prober& prober, ContainerId id,
                  const kube::Json& container, const std::string& pod_ip, Known known,
                  Listener listener);

  bool started() const { return started_; }
  bool ready() const { return ready_; }

 private:
  enum class Type { kStartup, kLiveness, kReadiness };

  bool Wants(const char* field) const;
  std::unique_ptr<ProbeLoop> MakeLoop(Type type, const char* field, const char* name, bool passing);
  void Succeeded(Type type);
  void Failed(Type type, std::optional<std::int64_t> grace_seconds);
  void BeginAfterStartup();

  base::Executor& executor_;
  Prober& prober_;
  const ContainerId id_;
  const kube::Json container_;
  const std::string pod_ip_;
  const base::MonoTime run_began_;
  const Listener listener_;
  bool adopted_ready_;
  bool started_ = false;
  bool ready_ = false;
  std::unique_ptr<ProbeLoop> startup_;
  std::unique_ptr<ProbeLoop> liveness_;
  std::unique_ptr<ProbeLoop> readiness_;
};

}  // namespace enclave::cluster
