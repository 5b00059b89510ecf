// The simulated twin of the machine: containers as records that behave as scripted, on virtual
// time.
//
// SimulatedRuntime outlives the kubelet under test, as processes do: destroy the Kubelet, make
// another on the same runtime, and it finds the containers again. Reboot() is the machine's end.
//
// Thread safety: everything here lives on one executor and is called from its tasks only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

// What one run of a container does.
struct SimulatedProgram {
  std::optional<base::Duration> run_for;  // nullopt: until it is stopped
  int exit_code = 0;                      // of an end by itself
  int signal = 0;                         // it dies of this signal instead of exiting
  bool oom_killed = false;                // its end is a kill for memory (signal 9)
  bool ignores_sigterm = false;
  base::Duration stop_takes{};           // from SIGTERM to its end
  std::optional<int> sigterm_exit_code;  // it handles SIGTERM; nullopt: dies of it (143)
  std::optional<base::Error> start_error;
  std::string mounts_refused{};  // "": its mounts are made
  std::int64_t cpu_millis = 0;   // used all the time
  std::int64_t memory_bytes = 4 << 20;
};

class SimulatedRuntime final : public ContainerRuntime {
 public:
  using Behaviour = std::function<SimulatedProgram(const ContainerSpec&)>;
  using Executable = std::function<base::Result<ExecOutput>(const ContainerId&,
                                                            const std::vector<std::string>& argv)>;

  explicit SimulatedRuntime(base::Executor& executor);
  ~SimulatedRuntime() override;

  // Asked at each start; until set every container runs for ever.
  void SetBehaviour(Behaviour behaviour) { behaviour_ = std::move(behaviour); }
  // Asked at each Exec; until set commands exit with 0. `exec_takes`: from Exec to its end.
  void SetExecutable(Executable executable, base::Duration exec_takes = {});

  // The container ends now, as if by itself. False when it is not running.
  bool Exit(const ContainerId& id, int exit_code);
  bool Kill(const ContainerId& id, int signal, bool oom_killed = false);
  // Ends without a word and is forgotten, as after a reboot: no OnExit.
  void Reboot();

  // What it was started with; null when unknown or removed.
  const ContainerSpec* SpecOf(const ContainerId& id) const;
  std::vector<ContainerId> Running() const;
  std::int64_t started() const { return started_; }  // all starts so far
  // Signals sent, in order: for tests of termination.
  const std::vector<std::pair<ContainerId, int>>& signals() const { return signals_; }

  std::vector<ContainerState> List() override;
  base::Result<ContainerState> Start(const ContainerSpec& spec) override;
  base::Result<> Signal(const ContainerId& id, int signal) override;
  void Remove(const ContainerId& id) override;
  base::Result<ContainerStats> Stats(const ContainerId& id) override;
  void OnExit(std::function<void(const ContainerState&)> callback) override;
  void Exec(const ContainerId& id, std::vector<std::string> argv, std::chrono::milliseconds timeout,
            std::function<void(base::Result<int>)> done) override;
  void ExecCapture(const ContainerId& id, std::vector<std::string> argv,
                   std::chrono::milliseconds timeout,
                   std::function<void(base::Result<ExecOutput>)> done) override;

 private:
  struct Container {
    ContainerSpec spec;
    SimulatedProgram program;
    ContainerState state;
    base::MonoTime started{};
    base::Executor::TimerId end_timer = base::Executor::TimerId::kNone;
  };

  // Signals are kept only up to here, so that long simulations stay small.
  static constexpr std::size_t kMaxSignals = 10'000;

  void EndAfter(Container& container, base::Duration delay, int exit_code, int signal,
                bool oom_killed);
  bool End(const ContainerId& id, int exit_code, int signal, bool oom_killed);

  base::Executor& executor_;
  Behaviour behaviour_;
  Executable executable_;
  base::Duration exec_takes_{};
  std::function<void(const ContainerState&)> on_exit_;
  std::map<ContainerId, Container> containers_;
  std::vector<std::pair<ContainerId, int>> signals_;
  std::int64_t next_pid_ = 1000;
  std::int64_t started_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Answers each probe as scripted; until set every probe succeeds while its container runs.
class SimulatedProber final : public Prober {
 public:
  using Behaviour = std::function<base::Result<>(const ContainerId&, const Probe&)>;

  SimulatedProber(base::Executor& executor, SimulatedRuntime& runtime)
      : executor_(executor), runtime_(runtime) {}

  // `takes`: from Run to its answer; beyond the probe's timeout it is kDeadlineExceeded.
  void SetBehaviour(Behaviour behaviour, base::Duration takes = {});
  std::int64_t runs() const { return runs_; }

  void Run(const ContainerId& id, const Probe& probe,
           std::function<void(base::Result<>)> done) override;

 private:
  base::Executor& executor_;
  SimulatedRuntime& runtime_;
  Behaviour behaviour_;
  base::Duration takes_{};
  std::int64_t runs_ = 0;
};

class SimulatedImages final : public ImageSource {
 public:
  void Set(const std::string& name, Image image) { images_[name] = std::move(image); }
  // An image with this program and nothing else.
  void Add(const std::string& name) { images_[name] = Image{"/bin/" + name, {}, {}, "1"}; }
  void Forget(const std::string& name) { images_.erase(name); }
  // Resolves names that were never added, so that any manifest runs.
  void AcceptAny(bool accept) { accept_any_ = accept; }

  base::Result<Image> Resolve(const std::string& name) override;

 private:
  std::map<std::string, Image> images_;
  bool accept_any_ = false;
};

}  // namespace enclave::cluster
