#include "cluster/kubelet/container_worker.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "cluster/kubelet/container_spec.h"
#include "cluster/kubelet/image_name.h"
#include "cluster/kubelet/pod_fields.h"
#include "kube/time.h"

namespace enclave::cluster {

using base::ErrorKind;
using kube::Json;

namespace {

const Json kNoManifest = Json::object();

constexpr base::Duration kContainerFirstRetry = std::chrono::seconds(1);
constexpr base::Duration kContainerMostRetry = std::chrono::seconds(60);
constexpr base::Duration kPullAgain = std::chrono::seconds(10);
// ErrImagePull is shown for this long before it turns into ImagePullBackOff.
constexpr base::Duration kPullErrorShown = std::chrono::seconds(1);
// What SIGTERM gets at least when the preStop hook used up the grace period (Kubernetes' own).
constexpr base::Duration kLeastAfterHook = std::chrono::seconds(2);
constexpr base::Duration kPostStartTimeout = std::chrono::minutes(10);
constexpr base::Duration kKillAgain = std::chrono::seconds(5);
// How often Kubernetes looks at a pod that waits, and tells of it each time.
constexpr base::Duration kBackOffToldEvery = std::chrono::seconds(10);

}  // namespace

ContainerWorker::ContainerWorker(const KubeletContext& context, ContainerOwner& owner, Kind kind,
                                 std::string name)
    : context_(context),
      owner_(owner),
      kind_(kind),
      name_(std::move(name)),
      retry_(context.executor()),
      back_off_told_(context.executor()),
      kill_timer_(context.executor()) {}

ContainerWorker::~ContainerWorker() = default;

std::optional<ContainerId> ContainerWorker::latest() const {
  if (!run_) return std::nullopt;
  return run_->id;
}

const Json& ContainerWorker::Manifest() const {
  const char* list = kind_ == Kind::kMain ? "spec.containers" : "spec.initContainers";
  const Json* found = EntryNamed(ListAt(owner_.pod().json(), list), name_);
  return found != nullptr ? *found : kNoManifest;
}

bool ContainerWorker::MayRestart() const {
  if (kind_ == Kind::kSidecar) return true;
  const std::string& policy = kube::StringAt(owner_.pod().json(), "spec.restartPolicy");
  if (policy == "Never") return false;
  if (policy == "OnFailure" || kind_ == Kind::kInit) return !succeeded();
  return true;
}

void ContainerWorker::Event(const char* type, const char* reason,
                            const std::string& message) const {
  context_.events.Record(owner_.pod(), type, reason, message);
}

void ContainerWorker::Run() {
  if (running()) {
    const std::string& wanted = kube::StringAt(Manifest(), "image");
    if (!stopping_ && !wanted.empty() && !image_.empty() && wanted != image_) {
      Stop(owner_.termination_grace(),
           fmt::format("Container {} definition changed, will be restarted", name_));
    }
    return;
  }
  if (done()) return;
  if (retry_.armed()) {
    // Another image than the one that could not be had is tried at once.
    if (refused_image_.empty() || kube::StringAt(Manifest(), "image") == refused_image_) return;
    retry_.Cancel();
    waiting_reason_.clear();
    pull_failed_before_ = false;
  }
  refused_image_.clear();
  if (ended()) {
    const base::Duration left = backoff_.Remaining(ended_at_, context_.Now());
    if (left > base::Duration::zero()) {
      const bool news = waiting_reason_ != "CrashLoopBackOff";
      WaitToRetry("CrashLoopBackOff",
                  fmt::format("back-off {} restarting failed container={} pod={}",
                              GoDuration(backoff_.delay()), name_, PodMark(owner_.pod())),
                  left);
      if (news) TellOfBackOff();
      return;
    }
  }
  TryStart();
}

void ContainerWorker::RetryNow() {
  if (running() || waiting_reason_ == "CrashLoopBackOff" || !retry_.armed()) return;
  retry_.Cancel();
  owner_.ContainerChanged();
}

void ContainerWorker::WaitToRetry(const char* reason, std::string message, base::Duration delay) {
  waiting_reason_ = reason;
  waiting_message_ = std::move(message);
  retry_.Set(delay, [this] { owner_.ContainerChanged(); });
}

void ContainerWorker::TellOfBackOff() {
  if (!retry_.armed()) return;
  if (waiting_reason_ == "CrashLoopBackOff") {
    Event("Warning", "BackOff",
          fmt::format("Back-off restarting failed container {} in pod {}", name_,
                      PodMark(owner_.pod())));
  } else if (waiting_reason_ == "ImagePullBackOff") {
    Event("Normal", "BackOff", fmt::format("Back-off pulling image \"{}\"", refused_image_));
    Event("Warning", "Failed", "Error: ImagePullBackOff");
  } else {
    return;
  }
  back_off_told_.Set(kBackOffToldEvery, [this] { TellOfBackOff(); });
}

base::Duration ContainerWorker::NextRetryDelay() {
  retry_delay_ = retry_delay_ == base::Duration::zero()
                     ? kContainerFirstRetry
                     : std::min(2 * retry_delay_, kContainerMostRetry);
  return retry_delay_;
}

bool ContainerWorker::ResolveImage(Image& image) {
  const std::string& name = kube::StringAt(Manifest(), "image");
  if (const base::Result<ImageName> parsed = ParseImageName(name); !parsed) {
    const std::string& message = parsed.error().message();
    if (waiting_reason_ != "InvalidImageName") {
      Event("Warning", "InspectFailed", message);
      Event("Warning", "Failed", "Error: InvalidImageName");
    }
    refused_image_ = name;
    WaitToRetry("InvalidImageName", message, NextRetryDelay());
    return false;
  }
  // After a failure the reason changes from ErrImagePull to ImagePullBackOff, and only when the
  // back-off is over the image is looked for again.
  if (waiting_reason_ == "ErrImagePull") {
    const std::string cause = std::move(waiting_message_);
    const base::Duration delay = retry_delay_ - kPullErrorShown;
    refused_image_ = name;
    WaitToRetry("ImagePullBackOff",
                fmt::format("Back-off pulling image \"{}\": ErrImagePull: {}", name, cause), delay);
    TellOfBackOff();
    return false;
  }
  base::Result<Image> resolved = context_.ports.images.Resolve(name);
  if (!resolved) {
    const std::string message =
        fmt::format("failed to pull image \"{}\": {}", name, resolved.error().message());
    Event("Normal", "Pulling", fmt::format("Pulling image \"{}\"", name));
    Event("Warning", "Failed",
          fmt::format("Failed to pull image \"{}\": {}", name, resolved.error().message()));
    Event("Warning", "Failed", "Error: ErrImagePull");
    retry_delay_ =
        pull_failed_before_ ? std::min(2 * retry_delay_, CrashBackoff::kMost) : kPullAgain;
    pull_failed_before_ = true;
    refused_image_ = name;
    WaitToRetry("ErrImagePull", message, kPullErrorShown);
    return false;
  }
  if (pull_failed_before_) retry_delay_ = {};
  pull_failed_before_ = false;
  image = std::move(*resolved);
  return true;
}

void ContainerWorker::TryStart() {
  const kube::Object& pod = owner_.pod();
  const std::string image_name = kube::StringAt(Manifest(), "image");
  Image image;
  if (!ResolveImage(image)) return;
  const ContainerId id{pod.uid(), name_, NextAttempt()};
  base::Result<ContainerSpec> spec =
      BuildContainerSpec(context_, pod, Manifest(), image, owner_.address(), owner_.volumes(),
                         owner_.own_mounts(), id);
  if (!spec) {
    if (waiting_message_ != spec.error().message())
      Event("Warning", "Failed", "Error: " + spec.error().message());
    WaitToRetry("CreateContainerConfigError", spec.error().message(), NextRetryDelay());
    return;
  }
  base::Result<ContainerState> state = context_.ports.runtime.Start(*spec);
  if (!state) {
    HandleStartFailure(id, state.error());
    return;
  }
  const std::string mounts_refused = state->mounts_refused;
  Began(std::move(*state), image_name, image);
  if (!mounts_refused.empty()) TellOfMissingMounts(*spec, mounts_refused);
  context_.ports.volumes.TrimLogs(spec->log_directory, id.attempt - 1);
}

void ContainerWorker::TellOfMissingMounts(const ContainerSpec& spec, const std::string& why) {
  if (told_of_mounts_) return;
  told_of_mounts_ = true;
  std::vector<std::string> places;
  for (const Mount& mount : spec.mounts)
    if (!mount.optional) places.push_back(fmt::format("{} is at {}", mount.target, mount.source));
  Event("Warning", "FailedMount",
        fmt::format("Container {} runs without its volumes at their paths, because this machine "
                    "gives it no mounts of its own: {}. {}. Run the enclave as root, or allow "
                    "user namespaces (sysctl user.max_user_namespaces, "
                    "kernel.unprivileged_userns_clone)",
                    name_, why, fmt::join(places, ", ")));
}

void ContainerWorker::HandleStartFailure(const ContainerId& id, const base::Error& error) {
  context_.ports.runtime.Remove(id);
  if (error.kind() != ErrorKind::kNotFound && error.kind() != ErrorKind::kPermissionDenied) {
    Event("Warning", "Failed", "Error: " + error.message());
    WaitToRetry("CreateContainerError", error.message(), NextRetryDelay());
    return;
  }
  // The program itself cannot be run: that was a run, which ended with 128.
  const std::string message =
      fmt::format("failed to start container \"{}\": {}", name_, error.message());
  Event("Warning", "Failed", "Error: " + message);
  if (run_) {
    last_terminated_ = Terminated();
    context_.ports.runtime.Remove(run_->id);
    backoff_.NoteRestart(context_.Now());
  }
  run_ = ContainerState{id, 0, context_.WallNow(), std::nullopt};
  image_ = kube::StringAt(Manifest(), "image");
  Ended(ContainerExit{128, 0, false, context_.WallNow(), context_.WallNow()}, "StartError",
        message);
  if (MayRestart()) WaitToRetry("RunContainerError", message, kContainerFirstRetry);
}

void ContainerWorker::Began(ContainerState state, const std::string& image, const Image& resolved) {
  if (run_) {
    last_terminated_ = Terminated();
    context_.ports.runtime.Remove(run_->id);
    backoff_.NoteRestart(context_.Now());
  }
  run_ = std::move(state);
  run_->exit.reset();  // an end, however quick, is told by OnExit
  image_ = image;
  image_id_ =
      fmt::format("enclave://{}@{}", image, resolved.version.empty() ? "0" : resolved.version);
  ended_reason_.clear();
  ended_message_.clear();
  waiting_reason_.clear();
  waiting_message_.clear();
  retry_delay_ = {};
  stopping_ = false;
  term_sent_ = false;
  started_ = false;
  ready_ = false;
  Event("Normal", "Pulled",
        fmt::format("Container image \"{}\" already present on machine", image));
  Event("Normal", "Created", fmt::format("Created container: {}", name_));
  Event("Normal", "Started", fmt::format("Started container {}", name_));
  const kube::Object& pod = owner_.pod();
  base::LogInfo("kubelet", "container started",
                {{"namespace", pod.ns()},
                 {"pod", pod.name()},
                 {"container", name_},
                 {"attempt", run_->id.attempt},
                 {"pid", run_->pid},
                 {"trace", MetadataValue(pod.json(), "annotations", "enclave.dev/trace-id")}});
  RunPostStart();
}

void ContainerWorker::RunPostStart() {
  const Json& action = kube::At(Manifest(), "lifecycle.postStart");
  if (!action.is_object()) {
    BeginProbes({});
    return;
  }
  hook_ = std::make_unique<LifecycleHook>(
      context_, run_->id, action, Manifest(), owner_.address().pod_ip, kPostStartTimeout,
      [this](const base::Result<>& result) {
        hook_.reset();
        if (!running() || stopping_) return;
        if (result) {
          BeginProbes({context_.WallNow() - run_->started_at, false, false});
          owner_.ContainerChanged();
          return;
        }
        Event("Warning", "FailedPostStartHook",
              "PostStartHook failed: " + result.error().message());
        Stop(owner_.termination_grace(), "FailedPostStartHook");
      });
}

void ContainerWorker::BeginProbes(ContainerProbes::Known known) {
  ContainerProbes::Listener listener;
  listener.changed = [this] { PublishProbes(); };
  listener.unhealthy = [this](const std::string& message) {
    Event("Warning", "Unhealthy", message);
  };
  listener.kill = [this](const std::string& probe, std::optional<std::int64_t> grace_seconds) {
    const base::Duration grace =
        grace_seconds ? std::chrono::seconds(*grace_seconds) : owner_.termination_grace();
    Stop(grace, fmt::format("Container {} failed {} probe, will be restarted", name_, probe));
  };
  probes_ = std::make_unique<ContainerProbes>(context_.executor(), context_.ports.prober, run_->id,
                                              Manifest(), owner_.address().pod_ip, known,
                                              std::move(listener));
  started_ = probes_->started();
  ready_ = probes_->ready();
}

void ContainerWorker::PublishProbes() {
  if (!probes_) return;
  started_ = probes_->started();
  ready_ = probes_->ready();
  owner_.ContainerChanged();
}

void ContainerWorker::Stop(base::Duration grace, const std::string& why) {
  retry_.Cancel();
  if (!running()) return;
  const base::MonoTime until = context_.Now() + grace;
  if (stopping_ && until >= stop_by_) return;
  stop_by_ = until;
  if (!stopping_) {
    stopping_ = true;
    // The probes' last words stay: it is as ready as it was until it is gone.
    probes_.reset();
    hook_.reset();
    Event("Normal", "Killing", why);
    const Json& action = kube::At(Manifest(), "lifecycle.preStop");
    if (action.is_object() && grace > base::Duration::zero()) {
      hook_ = std::make_unique<LifecycleHook>(
          context_, run_->id, action, Manifest(), owner_.address().pod_ip, grace,
          [this](const base::Result<>& result) {
            hook_.reset();
            if (!result) {
              Event("Warning", "FailedPreStopHook",
                    "PreStopHook failed: " + result.error().message());
            }
            if (running() && !term_sent_) SendTerm();
          });
    }
  }
  if (grace <= base::Duration::zero()) {
    SendKill();
    return;
  }
  // The hook's time is part of the grace, and a later call may shorten it.
  kill_timer_.Set(grace, [this] { EndGrace(); });
  if (!hook_ && !term_sent_) SendTerm();
}

void ContainerWorker::EndGrace() {
  if (term_sent_) {
    SendKill();
    return;
  }
  hook_.reset();
  Event("Warning", "FailedPreStopHook", "PreStopHook failed: the hook did not end in time");
  SendTerm();
}

void ContainerWorker::SendTerm() {
  term_sent_ = true;
  base::Duration left = stop_by_ - context_.Now();
  // Only a hook can have used up the time.
  if (left <= base::Duration::zero()) left = kLeastAfterHook;
  kill_timer_.Set(left, [this] { EndGrace(); });
  (void)context_.ports.runtime.Signal(run_->id, SIGTERM);
}

void ContainerWorker::SendKill() {
  if (!running()) return;
  hook_.reset();
  term_sent_ = true;
  const base::Result<> sent = context_.ports.runtime.Signal(run_->id, SIGKILL);
  // Gone without a word: its end may still be on its way, so it is given a moment.
  const bool unknown = !sent && sent.error().kind() == ErrorKind::kNotFound;
  kill_timer_.Set(unknown ? std::chrono::seconds(1) : kKillAgain, [this, unknown] {
    if (unknown) {
      LoseTrack();
    } else {
      SendKill();
    }
  });
}

void ContainerWorker::LoseTrack() {
  if (!running()) return;
  Ended(ContainerExit{137, 0, false, run_->started_at, context_.WallNow()},
        "ContainerStatusUnknown", "The container could not be located when it was terminated");
  owner_.ContainerChanged();
}

void ContainerWorker::HandleExit(const ContainerState& state) {
  if (!running() || state.id != run_->id || !state.exit) return;
  Ended(*state.exit, "", "");
  owner_.ContainerChanged();
}

void ContainerWorker::Ended(const ContainerExit& exit, const char* reason, std::string message) {
  run_->exit = exit;
  ended_at_ = context_.Now();
  probes_.reset();
  hook_.reset();
  kill_timer_.Cancel();
  stopping_ = false;
  term_sent_ = false;
  started_ = false;
  ready_ = false;
  ended_reason_ = reason;
  if (ended_reason_.empty())
    ended_reason_ = exit.oom_killed ? "OOMKilled" : exit.exit_code == 0 ? "Completed" : "Error";
  ended_message_ = message.empty() ? LastWords(exit) : std::move(message);
  base::LogInfo("kubelet", "container ended",
                {{"namespace", owner_.pod().ns()},
                 {"pod", owner_.pod().name()},
                 {"container", name_},
                 {"attempt", run_->id.attempt},
                 {"exit_code", exit.exit_code},
                 {"reason", ended_reason_}});
}

std::string ContainerWorker::LastWords(const ContainerExit& exit) const {
  VolumeStore& volumes = context_.ports.volumes;
  const kube::Object& pod = owner_.pod();
  std::string words = volumes.ReadTerminationMessage(pod.uid(), name_, run_->id.attempt);
  const bool from_log =
      kube::StringAt(Manifest(), "terminationMessagePolicy") == "FallbackToLogsOnError";
  if (words.empty() && from_log && exit.exit_code != 0)
    words = volumes.ReadLogEnd(pod.ns(), pod.name(), pod.uid(), name_, run_->id.attempt);
  return words;
}

void ContainerWorker::RemoveRuns() {
  if (!run_) return;
  context_.ports.runtime.Remove(run_->id);
}

}  // namespace enclave::cluster
