// One container of a pod through all its runs.
//
//              | Run()                      | it ends           | Stop(grace)          | timer
//   never run  | image, config, Start:      | -                 | -                    | Run() may
//              | -> running, or waits with  |                   |                      | try again
//              | a reason and a back-off    |                   |                      |
//   running    | -                          | -> ended          | preStop, SIGTERM     | -
//              |                            |                   | -> stopping          |
//   stopping   | -                          | -> ended          | earlier end          | SIGKILL
//   ended      | by restart policy: as      | -                 | -                    | back-off
//              | never run, after its       |                   |                      | is over
//              | CrashLoopBackOff           |                   |                      |
//
// It decides nothing about the pod: PodWorker calls Run() while the container should be up and
// Stop() when not, and is told of every change.
//
// Thread safety: lives on the kubelet's executor. Destroying it leaves the container as it is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/kubelet/container_probes.h"
#include "cluster/kubelet/crash_backoff.h"
#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/lifecycle_hook.h"
#include "cluster/kubelet/one_shot.h"
#include "cluster/kubelet/pod_volumes.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

// What a container needs from its pod.
class ContainerOwner {
 public:
  virtual ~ContainerOwner() = default;
  virtual const kube::Object& pod() const = 0;
  virtual PodAddress address() const = 0;
  virtual const PodVolumes& volumes() const = 0;
  // What every container of the pod mounts beside its volumes.
  virtual const std::vector<Mount>& own_mounts() const = 0;
  virtual base::Duration termination_grace() const = 0;
  // Something changed: look at the container again, in a later task.
  virtual void ContainerChanged() = 0;
};

class ContainerWorker {
 public:
  enum class Kind {
    kInit,     // runs to success before the next one
    kSidecar,  // an init container with restartPolicy Always: the next one follows when it is
               // started
    kMain,
  };

  ContainerWorker(const KubeletContext& context, ContainerOwner& owner, Kind kind,
                  std::string name);
  ~ContainerWorker();

  // Takes over what an earlier kubelet knew and left: `status` is its entry in the pod's status,
  // `runs` what the runtime has of it. Called once, before anything else.
  void Restore(const kube::Json& status, const std::vector<ContainerState>& runs);

  void Run();
  // `why` is the message of the Killing event. The earliest end of several calls counts.
  void Stop(base::Duration grace, const std::string& why);
  // The runtime says it ended. Ends of other runs than the current one are ignored.
  void HandleExit(const ContainerState& state);
  // What it waits for may be there now: forget the back-off of image and configuration.
  void RetryNow();
  // Forgets all runs in the runtime, killing what is left.
  void RemoveRuns();

  const std::string& name() const { return name_; }
  Kind kind() const { return kind_; }
  bool running() const { return run_ && !run_->exit; }
  bool ended() const { return run_ && run_->exit; }
  bool succeeded() const { return ended() && run_->exit->exit_code == 0; }
  // Ended, and its restart policy leaves it so.
  bool done() const { return ended() && !MayRestart(); }
  bool started() const { return running() && started_; }
  bool ready() const { return kind_ == Kind::kInit ? succeeded() : running() && ready_; }
  // Waits for a ConfigMap, Secret or key.
  bool waits_for_config() const { return waiting_reason_ == "CreateContainerConfigError"; }
  std::optional<ContainerId> latest() const;
  base::WallTime began_at() const { return run_ ? run_->started_at : base::WallTime{}; }

  // Its entry in status.containerStatuses or initContainerStatuses. `idle_reason`: why it has not
  // run yet, when it has no reason of its own.
  kube::Json Status(const char* idle_reason) const;

 private:
  const kube::Json& Manifest() const;
  bool MayRestart() const;
  std::int64_t NextAttempt() const { return run_ ? run_->id.attempt + 1 : 0; }
  void Event(const char* type, const char* reason, const std::string& message) const;

  // Waits with this reason; Run() does nothing until `delay` has passed.
  void WaitToRetry(const char* reason, std::string message, base::Duration delay);
  // Events of the back-off that it waits in, now and again while it does.
  void TellOfBackOff();
  void TellOfMissingMounts(const ContainerSpec& spec, const std::string& why);
  base::Duration NextRetryDelay();
  bool ResolveImage(Image& image);
  void TryStart();
  void HandleStartFailure(const ContainerId& id, const base::Error& error);
  void Began(ContainerState state, const std::string& image, const Image& resolved);
  void BeginProbes(ContainerProbes::Known known);
  void RunPostStart();
  void PublishProbes();
  void SendTerm();
  void SendKill();
  void EndGrace();
  void LoseTrack();
  void Ended(const ContainerExit& exit, const char* reason, std::string message);
  // What the run that ended said of its end; "" when nothing.
  std::string LastWords(const ContainerExit& exit) const;
  kube::Json Terminated() const;

  const KubeletContext& context_;
  ContainerOwner& owner_;
  const Kind kind_;
  const std::string name_;

  std::optional<ContainerState> run_;  // the latest, running or ended
  base::MonoTime ended_at_{};
  std::string ended_reason_;  // "" until it ended
  std::string ended_message_;
  std::string image_;  // of the latest run
  std::string image_id_;
  kube::Json last_terminated_;  // the run before the latest; null when there was none
  bool started_ = false;
  bool ready_ = false;
  std::unique_ptr<ContainerProbes> probes_;
  std::unique_ptr<LifecycleHook> hook_;

  std::string waiting_reason_;  // "": not waiting, or for nothing in particular
  std::string waiting_message_;
  CrashBackoff backoff_;
  base::Duration retry_delay_{};  // of image and configuration
  std::string refused_image_;     // the one that is waited for
  bool pull_failed_before_ = false;
  OneShot retry_;
  OneShot back_off_told_;
  bool told_of_mounts_ = false;

  bool stopping_ = false;
  bool term_sent_ = false;
  base::MonoTime stop_by_{};  // the earliest end that was asked for
  OneShot kill_timer_;
};

}  // namespace enclave::cluster
