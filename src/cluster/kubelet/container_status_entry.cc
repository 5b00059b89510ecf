// What a container's entry in its pod's status says, and how it is read back after a restart of the
// kubelet.
#include <fmt/format.h>

#include <algorithm>

#include "cluster/kubelet/container_worker.h"
#include "kube/time.h"

namespace enclave::cluster {

using kube::Json;

namespace {

std::string ContainerUrl(const ContainerId& id) {
  return fmt::format("enclave://{}/{}/{}", id.pod_uid, id.container, id.attempt);
}

ContainerExit ExitOf(const Json& terminated) {
  ContainerExit exit;
  exit.exit_code = static_cast<int>(kube::IntAt(terminated, "exitCode", 137));
  exit.signal = static_cast<int>(kube::IntAt(terminated, "signal"));
  exit.oom_killed = kube::StringAt(terminated, "reason") == "OOMKilled";
  exit.started_at = kube::TimeAt(terminated, "startedAt").value_or(base::WallTime{});
  exit.finished_at = kube::TimeAt(terminated, "finishedAt").value_or(base::WallTime{});
  return exit;
}

}  // namespace

Json ContainerWorker::Terminated() const {
  if (!ended()) return nullptr;
  const ContainerExit& exit = *run_->exit;
  Json terminated = {{"exitCode", exit.exit_code},
                     {"reason", ended_reason_},
                     {"startedAt", kube::FormatTime(exit.started_at)},
                     {"finishedAt", kube::FormatTime(exit.finished_at)},
                     {"containerID", ContainerUrl(run_->id)}};
  if (exit.signal != 0) terminated["signal"] = exit.signal;
  if (!ended_message_.empty()) terminated["message"] = ended_message_;
  return terminated;
}

Json ContainerWorker::Status(const char* idle_reason) const {
  Json state;
  Json last_state = Json::object();
  const Json terminated = Terminated();
  const bool waiting = !running() && (!waiting_reason_.empty() || !run_);
  if (waiting) {
    Json detail = {{"reason", waiting_reason_.empty() ? idle_reason : waiting_reason_.c_str()}};
    if (!waiting_message_.empty()) detail["message"] = waiting_message_;
    state["waiting"] = std::move(detail);
    if (!terminated.is_null()) last_state["terminated"] = terminated;
  } else if (running()) {
    state["running"] = {{"startedAt", kube::FormatTime(run_->started_at)}};
  } else {
    state["terminated"] = terminated;
  }
  if (last_state.empty() && !last_terminated_.is_null())
    last_state["terminated"] = last_terminated_;
  const std::string& wanted = kube::StringAt(Manifest(), "image");
  return {{"name", name_},
          {"state", std::move(state)},
          {"lastState", std::move(last_state)},
          {"ready", ready()},
          {"started", kind_ == Kind::kInit ? running() : started()},
          {"restartCount", run_ ? run_->id.attempt : 0},
          {"image", image_.empty() ? wanted : image_},
          {"imageID", image_id_},
          {"containerID", run_ ? ContainerUrl(run_->id) : ""}};
}

void ContainerWorker::Restore(const Json& status, const std::vector<ContainerState>& runs) {
  const std::string& pod_uid = owner_.pod().uid();
  const bool ran_before = !kube::StringAt(status, "containerID").empty();
  const std::int64_t known_attempt = ran_before ? kube::IntAt(status, "restartCount") : -1;
  const Json& known_terminated = kube::At(status, "state.terminated");
  const Json& known_last = kube::At(status, "lastState.terminated");
  if (ran_before) {
    image_ = kube::StringAt(status, "image");
    image_id_ = kube::StringAt(status, "imageID");
  }
  const ContainerState* latest = nullptr;
  for (const ContainerState& run : runs)
    if (latest == nullptr || run.id.attempt > latest->id.attempt) latest = &run;
  // An older run that is still known is a leftover of a kubelet that ended between two steps; one
  // still older than the pod's status cannot be the latest either.
  const Json* terminated = nullptr;
  if (latest != nullptr && latest->id.attempt >= known_attempt) {
    if (latest->id.attempt == known_attempt) {
      last_terminated_ = known_last;
    } else if (known_terminated.is_object()) {
      last_terminated_ = known_terminated;
    } else {
      last_terminated_ = known_last;
    }
    for (const ContainerState& run : runs) {
      if (&run == latest) continue;
      if (run.exit && run.id.attempt == latest->id.attempt - 1 &&
          !(latest->id.attempt == known_attempt && known_last.is_object())) {
        run_ = run;
        Ended(*run.exit, "", "");
        last_terminated_ = Terminated();
      }
      context_.ports.runtime.Remove(run.id);
    }
    const std::optional<ContainerExit> exit = latest->exit;
    run_ = *latest;
    run_->exit.reset();
    if (image_.empty()) image_ = kube::StringAt(Manifest(), "image");
    if (!exit) {
      if (latest->id.attempt == known_attempt) {
        started_ = kube::BoolAt(status, "started");
        ready_ = kube::BoolAt(status, "ready");
      }
      // A postStart hook that may have run already is not run twice.
      BeginProbes({std::max(base::Duration::zero(), context_.WallNow() - run_->started_at),
                   started_, started_ && ready_});
      return;
    }
    const Json& told = latest->id.attempt == known_attempt ? known_terminated : Json();
    if (told.is_object()) {
      Ended(*exit, kube::StringAt(told, "reason").c_str(), kube::StringAt(told, "message"));
    } else {
      Ended(*exit, "", "");
    }
    return;
  }
  for (const ContainerState& run : runs) context_.ports.runtime.Remove(run.id);
  if (known_attempt < 0) return;
  // The runtime knows nothing of it (the machine was started anew).
  run_ = ContainerState{{pod_uid, name_, known_attempt}, 0, {}, std::nullopt};
  terminated = known_terminated.is_object() ? &known_terminated
               : kube::At(status, "state.waiting").is_object() && known_last.is_object()
                   ? &known_last
                   : nullptr;
  if (terminated != nullptr) {
    if (terminated == &known_terminated) last_terminated_ = known_last;
    Ended(ExitOf(*terminated), kube::StringAt(*terminated, "reason").c_str(),
          kube::StringAt(*terminated, "message"));
    return;
  }
  last_terminated_ = known_last;
  const base::WallTime began =
      kube::TimeAt(status, "state.running.startedAt").value_or(context_.WallNow());
  Ended(ContainerExit{137, 0, false, began, context_.WallNow()}, "ContainerStatusUnknown",
        "The container could not be located when the node came back");
}

}  // namespace enclave::cluster
