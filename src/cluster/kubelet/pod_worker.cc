#include "cluster/kubelet/pod_worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "cluster/kubelet/pod_fields.h"
#include "cluster/kubelet/pod_status.h"
#include "kube/time.h"

namespace enclave::cluster {

using base::ErrorKind;
using kube::Json;
using Kind = ContainerWorker::Kind;

namespace {

constexpr base::Duration kFirstVolumeRetry = std::chrono::milliseconds(500);
constexpr base::Duration kMostVolumeRetry = std::chrono::seconds(122);
constexpr base::Duration kFirstDeleteRetry = std::chrono::milliseconds(200);
constexpr base::Duration kMostDeleteRetry = std::chrono::seconds(30);
constexpr std::int64_t kDefaultGraceSeconds = 30;
constexpr std::int64_t kMostSeconds = 1 << 30;

bool IsTerminalPhase(const Json& pod) {
  const std::string& phase = kube::StringAt(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

std::chrono::seconds SecondsOf(const Json& value, std::string_view path, std::int64_t fallback) {
  return std::chrono::seconds(
      std::clamp<std::int64_t>(kube::IntAt(value, path, fallback), 0, kMostSeconds));
}

}  // namespace

PodWorker::PodWorker(const KubeletContext& context, kube::ObjectPtr pod,
                     std::function<void()> on_gone)
    : context_(context),
      on_gone_(std::move(on_gone)),
      pod_(std::move(pod)),
      volumes_(context),
      volume_timer_(context.executor()),
      deadline_timer_(context.executor()),
      delete_timer_(context.executor()),
      status_writer_(context, [this] { ScheduleSync(); }) {
  start_time_ = kube::TimeAt(pod_->json(), "status.startTime").value_or(context_.WallNow());
  adopted_deleting_ = pod_->deleting();
  MakeContainers();
}

PodWorker::~PodWorker() = default;

void PodWorker::MakeContainers() {
  for (const Json& container : ListAt(pod_->json(), "spec.initContainers")) {
    const bool sidecar = kube::StringAt(container, "restartPolicy") == "Always";
    containers_.push_back(std::make_unique<ContainerWorker>(context_, *this,
                                                            sidecar ? Kind::kSidecar : Kind::kInit,
                                                            kube::StringAt(container, "name")));
  }
  for (const Json& container : ListAt(pod_->json(), "spec.containers")) {
    containers_.push_back(std::make_unique<ContainerWorker>(context_, *this, Kind::kMain,
                                                            kube::StringAt(container, "name")));
  }
}

void PodWorker::Begin(const std::vector<ContainerState>& runs) {
  RestoreFromStatus(runs);
  if (IsTerminalPhase(pod_->json())) {
    failure_reason_ = kube::StringAt(pod_->json(), "status.reason");
    failure_message_ = kube::StringAt(pod_->json(), "status.message");
    // Whatever still runs of it (the kubelet ended in between) is stopped like after a deadline.
    state_ = State::kStopping;
    stop_until_ = context_.Now();
  }
  ScheduleSync();
}

void PodWorker::RestoreFromStatus(const std::vector<ContainerState>& runs) {
  const std::string& ip = kube::StringAt(pod_->json(), "status.podIP");
  const bool host_network = kube::BoolAt(pod_->json(), "spec.hostNetwork");
  // An ended pod shows its address but no longer has it.
  const bool holds = !ip.empty() && !host_network && !IsTerminalPhase(pod_->json());
  if (!holds || context_.ports.addresses.Reserve(pod_->uid(), ip)) pod_ip_ = ip;
  for (const auto& container : containers_) {
    const char* list = container->kind() == Kind::kMain ? "status.containerStatuses"
                                                        : "status.initContainerStatuses";
    const Json* status = EntryNamed(ListAt(pod_->json(), list), container->name());
    std::vector<ContainerState> own;
    for (const ContainerState& run : runs)
      if (run.id.container == container->name()) own.push_back(run);
    container->Restore(status != nullptr ? *status : Json(), own);
  }
  // Runs of containers that the pod does not have.
  for (const ContainerState& run : runs) {
    const bool known = std::ranges::any_of(
        containers_, [&](const auto& container) { return container->name() == run.id.container; });
    if (!known) context_.ports.runtime.Remove(run.id);
  }
}

void PodWorker::Reject(const std::string& reason, const std::string& message) {
  failure_reason_ = reason;
  failure_message_ = message;
  Event("Warning", reason.c_str(), message);
  state_ = State::kFinished;
  ScheduleSync();
}

void PodWorker::Update(kube::ObjectPtr pod) {
  const bool metadata_changed =
      kube::At(pod->json(), "metadata.labels") != kube::At(pod_->json(), "metadata.labels") ||
      kube::At(pod->json(), "metadata.annotations") !=
          kube::At(pod_->json(), "metadata.annotations");
  pod_ = std::move(pod);
  if (metadata_changed) volumes_stale_ = true;
  ScheduleSync();
}

void PodWorker::Removed() {
  in_api_ = false;
  ScheduleSync();
}

void PodWorker::HandleExit(const ContainerState& state) {
  for (const auto& container : containers_)
    if (container->name() == state.id.container) container->HandleExit(state);
}

void PodWorker::DependencyChanged(const kube::Kind& kind, const std::string& name) {
  if (volumes_.Reads(kind, name)) {
    volumes_stale_ = true;
    volume_timer_.Cancel();
    ScheduleSync();
  }
  for (const auto& container : containers_)
    if (container->waits_for_config()) container->RetryNow();
}

std::optional<ContainerId> PodWorker::LatestAttempt(const std::string& name) const {
  for (const auto& container : containers_)
    if (container->name() == name) return container->latest();
  return std::nullopt;
}

PodAddress PodWorker::address() const {
  return {pod_ip_, context_.options.node_ip};
}

base::Duration PodWorker::termination_grace() const {
  return SecondsOf(pod_->json(), "spec.terminationGracePeriodSeconds", kDefaultGraceSeconds);
}

void PodWorker::Event(const char* type, const char* reason, const std::string& message) const {
  context_.events.Record(*pod_, type, reason, message);
}

void PodWorker::ScheduleSync() {
  if (sync_posted_) return;
  sync_posted_ = true;
  context_.executor().Post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->sync_posted_ = false;
      self->Sync();
    }
  });
}

void PodWorker::Sync() {
  if (state_ == State::kGone) return;
  if (!in_api_) {
    StopWhole({});
  } else if (pod_->deleting()) {
    StopWhole(DeletionGrace());
  } else if (state_ == State::kLive) {
    CheckDeadline();
  }
  switch (state_) {
    case State::kLive:
      SyncLive();
      break;
    case State::kStopping:
      SyncStopping();
      break;
    case State::kFinished:
      WriteStatus();
      break;
    case State::kGone:
      break;
  }
}

// --- alive ---

void PodWorker::SyncLive() {
  const bool prepared = EnsureAddress() && EnsureVolumes();
  // The address stands in the API before a program has it, so that no other pod ever gets it.
  if (prepared && kube::StringAt(pod_->json(), "status.podIP") != pod_ip_ && !WriteStatus(true))
    return;
  if (prepared && RunInitContainers()) {
    for (const auto& container : containers_)
      if (container->kind() == Kind::kMain) container->Run();
  }
  const std::string phase = PodPhase(StatusInputs());
  if (phase == "Succeeded" || phase == "Failed") {
    // Sidecars end with the others.
    state_ = State::kStopping;
    stop_until_ = context_.Now() + termination_grace();
    SyncStopping();
    return;
  }
  WriteStatus();
}

bool PodWorker::EnsureAddress() {
  if (!FindAddress()) return false;
  if (!prepared_mounts_ && context_.ports.pod_mounts)
    own_mounts_ = context_.ports.pod_mounts(*pod_, pod_ip_);
  prepared_mounts_ = true;
  return true;
}

bool PodWorker::FindAddress() {
  if (!pod_ip_.empty()) return true;
  if (kube::BoolAt(pod_->json(), "spec.hostNetwork")) {
    pod_ip_ = context_.options.node_ip;
    return true;
  }
  base::Result<std::string> address = context_.ports.addresses.Allocate(pod_->uid());
  if (address) {
    pod_ip_ = std::move(*address);
    return true;
  }
  if (!volume_timer_.armed()) {
    Event("Warning", "FailedCreatePodSandBox",
          "Failed to create pod sandbox: " + address.error().message());
    volume_timer_.Set(std::chrono::seconds(10), [this] { ScheduleSync(); });
  }
  return false;
}

bool PodWorker::EnsureVolumes() {
  if (!volumes_stale_) return volumes_ready_;
  if (volume_retry_delay_ != base::Duration::zero() && volume_timer_.armed()) return volumes_ready_;
  base::Result<> prepared = volumes_.Prepare(*pod_, address());
  if (!prepared) {
    Event("Warning", "FailedMount", prepared.error().message());
    volume_retry_delay_ = volume_retry_delay_ == base::Duration::zero()
                              ? kFirstVolumeRetry
                              : std::min(2 * volume_retry_delay_, kMostVolumeRetry);
    volume_timer_.Set(volume_retry_delay_, [this] { ScheduleSync(); });
    // A pod that runs keeps what it has.
    return volumes_ready_;
  }
  volumes_ready_ = true;
  volumes_stale_ = false;
  volume_retry_delay_ = {};
  volume_timer_.Cancel();
  if (const auto renewal = volumes_.next_renewal()) {
    volume_timer_.Set(std::max(base::Duration::zero(), *renewal - context_.Now()), [this] {
      volumes_stale_ = true;
      ScheduleSync();
    });
  }
  return true;
}

bool PodWorker::RunInitContainers() {
  // Once a main container ran, its init containers are over: they ran before, or their pod would
  // not have got so far.
  const bool begun = std::ranges::any_of(containers_, [](const auto& container) {
    return container->kind() == Kind::kMain && container->latest();
  });
  for (const auto& container : containers_) {
    if (container->kind() == Kind::kMain) break;
    if (container->kind() == Kind::kSidecar) {
      container->Run();
      if (!begun && !container->started()) return false;
    } else if (!begun && !container->succeeded()) {
      container->Run();
      return false;
    }
  }
  return true;
}

void PodWorker::CheckDeadline() {
  const std::int64_t seconds = kube::IntAt(pod_->json(), "spec.activeDeadlineSeconds", -1);
  if (seconds < 0) return;
  const base::WallTime deadline =
      start_time_ + std::chrono::seconds(std::min(seconds, kMostSeconds));
  const base::WallTime now = context_.WallNow();
  if (now < deadline) {
    deadline_timer_.Set(deadline - now, [this] { ScheduleSync(); });
    return;
  }
  failure_reason_ = "DeadlineExceeded";
  failure_message_ = "Pod was active on the node longer than the specified deadline";
  Event("Normal", "DeadlineExceeded", failure_message_);
  StopWhole(termination_grace());
}

// --- stopping ---

base::Duration PodWorker::DeletionGrace() const {
  const std::chrono::seconds grace =
      SecondsOf(pod_->json(), "metadata.deletionGracePeriodSeconds", kDefaultGraceSeconds);
  if (!adopted_deleting_) return grace;
  // Part of the grace period passed while no kubelet was here.
  const auto deadline = kube::TimeAt(pod_->json(), "metadata.deletionTimestamp");
  if (!deadline) return grace;
  return std::clamp<base::Duration>(*deadline - context_.WallNow(), std::chrono::seconds(1), grace);
}

void PodWorker::StopWhole(base::Duration grace) {
  const base::MonoTime until = context_.Now() + grace;
  const bool was_finished = state_ == State::kFinished;
  if (!stop_until_ || until < *stop_until_) stop_until_ = until;
  state_ = State::kStopping;
  if (was_finished) return;
  volume_timer_.Cancel();
  deadline_timer_.Cancel();
}

bool PodWorker::AnyRunning(bool sidecars) const {
  return std::ranges::any_of(containers_, [&](const auto& container) {
    return container->running() && (sidecars || container->kind() != Kind::kSidecar);
  });
}

void PodWorker::SyncStopping() {
  const base::Duration left = std::max(base::Duration::zero(), *stop_until_ - context_.Now());
  // Sidecars serve the others until these are gone.
  const bool sidecars = !AnyRunning(false);
  for (const auto& container : containers_) {
    if (container->kind() == Kind::kSidecar && !sidecars) continue;
    container->Stop(left, fmt::format("Stopping container {}", container->name()));
  }
  if (AnyRunning(true)) {
    if (in_api_) WriteStatus();
    return;
  }
  if (in_api_ && !pod_->deleting()) {
    Finish();
  } else {
    CleanUp();
  }
}

void PodWorker::Finish() {
  // The runtime's records go only once the API has the end.
  if (!WriteStatus(true)) return;
  for (const auto& container : containers_) container->RemoveRuns();
  context_.ports.addresses.Release(pod_->uid());
  state_ = State::kFinished;
}

void PodWorker::CleanUp() {
  if (in_api_ && !cleaned_ && !WriteStatus(true)) return;
  if (!cleaned_) {
    for (const auto& container : containers_) container->RemoveRuns();
    context_.ports.volumes.RemovePod(pod_->uid());
    if (context_.ports.pod_removed) context_.ports.pod_removed(pod_->uid());
    cleaned_ = true;
  }
  if (in_api_) {
    DeleteFromApi();
    return;
  }
  EndAsGone();
}

void PodWorker::EndAsGone() {
  // Not before: the API still shows the address as this pod's.
  context_.ports.addresses.Release(pod_->uid());
  state_ = State::kGone;
  on_gone_();
}

void PodWorker::DeleteFromApi() {
  if (delete_timer_.armed()) return;
  kube::DeleteOptions options;
  options.grace_period_seconds = 0;
  options.uid = pod_->uid();
  const auto deleted =
      context_.ports.informers.api().Delete(kube::kPod, pod_->ns(), pod_->name(), options);
  if (!deleted && deleted.error().kind() != ErrorKind::kNotFound &&
      deleted.error().kind() != ErrorKind::kConflict) {
    delete_retry_delay_ = delete_retry_delay_ == base::Duration::zero()
                              ? kFirstDeleteRetry
                              : std::min(2 * delete_retry_delay_, kMostDeleteRetry);
    base::LogWarning(
        "kubelet", "pod not deleted",
        {{"namespace", pod_->ns()}, {"pod", pod_->name()}, {"error", deleted.error().ToString()}});
    delete_timer_.Set(delete_retry_delay_, [this] { ScheduleSync(); });
    return;
  }
  EndAsGone();
}

// --- status ---

PodStatusInputs PodWorker::StatusInputs() const {
  PodStatusInputs inputs{.pod = *pod_};
  inputs.now = context_.WallNow();
  inputs.start_time = start_time_;
  inputs.address = address();
  inputs.sandbox_ready = !pod_ip_.empty() && volumes_ready_ && active();
  for (const auto& container : containers_) {
    auto& list = container->kind() == Kind::kMain ? inputs.containers : inputs.init_containers;
    list.push_back(container.get());
  }
  inputs.failure_reason = failure_reason_;
  inputs.failure_message = failure_message_;
  return inputs;
}

bool PodWorker::WriteStatus(bool urgent) {
  return status_writer_.Offer(pod_, RenderPodStatus(StatusInputs()), urgent);
}

}  // namespace enclave::cluster
