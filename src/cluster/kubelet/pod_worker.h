// One pod on this node, from its binding until nothing of it is left.
//
//              | object       | container ended    | its time comes   | deletion asked, | object
//              | changed      |                    |                  | deadline over   | vanished
// preparing    | look again   | -                  | address, volumes | -> stopping     | stopping
//              |              |                    | -> initializing  |                 |
// initializing | look again   | next one; restart; | a back-off is    | -> stopping     | as above
//              |              | failed -> finished | over             |                 |
//              |              | all -> running     |                  |                 |
// running      | volumes;     | restart; the last  | a back-off is    | -> stopping     | as above
//              | a new image: | one -> finished    | over             |                 |
//              | restart      |                    |                  |                 |
// stopping     | shorter      | the last one:      | SIGKILL          | shorter grace   | no grace
//              | grace        | finished (late)    |                  |                 |
//              |              | or gone            |                  |                 |
// finished     | -            | -                  | -                | -> gone         | -> gone
// gone         | -            | -                  | repeat deletion  | -               | forgotten
//
// `preparing`, `initializing` and `running` are not stored: every event leads to one look at the
// pod (Sync), which starts, stops and reports what differs from what should be. So a worker that is
// made anew over running containers goes on where the old one was.
//
// Thread safety: lives on the kubelet's executor. Destroying it leaves the containers running.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/kubelet/container_worker.h"
#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/pod_volumes.h"
#include "cluster/kubelet/status_writer.h"

namespace enclave::cluster {

struct PodStatusInputs;

class PodWorker final : public std::enable_shared_from_this<PodWorker>, public ContainerOwner {
 public:
  // `on_gone`: nothing of the pod is left on the machine and the API was told.
  PodWorker(const KubeletContext& context, kube::ObjectPtr pod, std::function<void()> on_gone);
  ~PodWorker() override;

  // Begins to work, taking over these runs of its containers. Once, before all else.
  void Begin(const std::vector<ContainerState>& runs);
  // Begins as failed: the node cannot take the pod. Nothing is ever started.
  void Reject(const std::string& reason, const std::string& message);

  void Update(kube::ObjectPtr pod);
  void Removed();  // the object is gone from the API
  void HandleExit(const ContainerState& state);
  // A ConfigMap or Secret of the pod's namespace changed.
  void DependencyChanged(const kube::Kind& kind, const std::string& name);

  // What its containers ask.
  const kube::Object& pod() const override { return *pod_; }
  PodAddress address() const override;
  const PodVolumes& volumes() const override { return volumes_; }
  const std::vector<Mount>& own_mounts() const override { return own_mounts_; }
  base::Duration termination_grace() const override;
  void ContainerChanged() override { ScheduleSync(); }

  bool gone() const { return state_ == State::kGone; }
  // Neither gone nor finished: its requests count against the node.
  bool active() const { return state_ == State::kLive || state_ == State::kStopping; }
  const std::vector<std::unique_ptr<ContainerWorker>>& containers() const { return containers_; }
  std::optional<ContainerId> LatestAttempt(const std::string& container) const;

 private:
  enum class State { kLive, kStopping, kFinished, kGone };

  void MakeContainers();
  void RestoreFromStatus(const std::vector<ContainerState>& runs);
  void ScheduleSync();
  void Sync();
  void SyncLive();
  bool EnsureAddress();
  bool FindAddress();
  bool EnsureVolumes();
  bool RunInitContainers();
  void CheckDeadline();
  void StopWhole(base::Duration grace);
  void SyncStopping();
  void Finish();
  void CleanUp();
  void DeleteFromApi();
  void EndAsGone();
  bool AnyRunning(bool sidecars) const;
  base::Duration DeletionGrace() const;
  PodStatusInputs StatusInputs() const;
  bool WriteStatus(bool urgent = false);
  void Event(const char* type, const char* reason, const std::string& message) const;

  const KubeletContext& context_;
  const std::function<void()> on_gone_;
  kube::ObjectPtr pod_;
  State state_ = State::kLive;
  bool sync_posted_ = false;
  bool in_api_ = true;
  bool adopted_deleting_ = false;  // its deletion was asked for before this worker was made

  std::string pod_ip_;
  base::WallTime start_time_{};
  bool prepared_mounts_ = false;
  std::vector<Mount> own_mounts_;
  PodVolumes volumes_;
  bool volumes_ready_ = false;
  bool volumes_stale_ = true;
  base::Duration volume_retry_delay_{};
  OneShot volume_timer_;

  // Init containers and sidecars in the manifest's order, then the others.
  std::vector<std::unique_ptr<ContainerWorker>> containers_;
  std::string failure_reason_;  // of the pod as a whole
  std::string failure_message_;
  OneShot deadline_timer_;

  std::optional<base::MonoTime> stop_until_;  // the end of the grace period
  bool cleaned_ = false;
  base::Duration delete_retry_delay_{};
  OneShot delete_timer_;
  StatusWriter status_writer_;
};

}  // namespace enclave::cluster
