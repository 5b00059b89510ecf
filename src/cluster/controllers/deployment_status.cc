// DeploymentSync's view of progress: status counts, conditions and the deadline
// (Kubernetes pkg/controller/deployment/progress.go).
#include <fmt/format.h>

#include "cluster/controllers/deployment_sync.h"
#include "cluster/controllers/objects.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::StringAt;

const Json* FindCondition(const Json& conditions, std::string_view type) {
  for (const Json& condition : conditions) {
    if (StringAt(condition, "type") == type) return &condition;
  }
  return nullptr;
}

}  // namespace

void DeploymentSync::SetPausedCondition() {
  if (!HasDeadline()) return;
  const Json* progressing = FindCondition(conditions_, "Progressing");
  const std::string reason = progressing == nullptr ? "" : StringAt(*progressing, "reason");
  // A rollout that failed stays failed.
  if (reason == "ProgressDeadlineExceeded") return;
  if (paused() && reason != "DeploymentPaused") {
    SetCondition(conditions_, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused",
                 Now(), true);
  } else if (!paused() && reason == "DeploymentPaused") {
    SetCondition(conditions_, "Progressing", "Unknown", "DeploymentResumed",
                 "Deployment is resumed", Now(), true);
  }
}

Json DeploymentSync::CountStatus() const {
  const std::vector<ObjectPtr> all = AllSets();
  const std::int64_t available = SumOfStatus(all, "availableReplicas");
  Json status = Json::object();
  const auto put_unless_zero = [&](const char* field, std::int64_t value) {
    if (value > 0) status[field] = value;
  };
  status["observedGeneration"] = IntAt(deployment(), "metadata.generation");
  put_unless_zero("replicas", SumOfStatus(all, "replicas"));
  put_unless_zero("updatedReplicas",
                  new_set_ == nullptr ? 0 : IntAt(new_set_->json(), "status.replicas"));
  put_unless_zero("readyReplicas", SumOfStatus(all, "readyReplicas"));
  put_unless_zero("availableReplicas", available);
  put_unless_zero("unavailableReplicas", SumOfReplicas(all) - available);
  if (collided_) status["collisionCount"] = collisions_;
  return status;
}

bool DeploymentSync::Complete(const Json& status) const {
  return IntAt(status, "updatedReplicas") == bounds_.replicas &&
         IntAt(status, "replicas") == bounds_.replicas &&
         IntAt(status, "availableReplicas") == bounds_.replicas &&
         IntAt(status, "observedGeneration") >= IntAt(deployment(), "metadata.generation");
}

bool DeploymentSync::Progressing(const Json& status) const {
  const Json& before = At(deployment(), "status");
  const auto old_pods = [](const Json& counts) {
    return IntAt(counts, "replicas") - IntAt(counts, "updatedReplicas");
  };
  return IntAt(status, "updatedReplicas") > IntAt(before, "updatedReplicas") ||
         old_pods(status) < old_pods(before) ||
         IntAt(status, "readyReplicas") > IntAt(before, "readyReplicas") ||
         IntAt(status, "availableReplicas") > IntAt(before, "availableReplicas");
}

bool DeploymentSync::TimedOut() const {
  const Json* progressing = FindCondition(conditions_, "Progressing");
  if (progressing == nullptr) return false;
  const std::string& reason = StringAt(*progressing, "reason");
  if (reason == "NewReplicaSetAvailable") return false;
  if (reason == "ProgressDeadlineExceeded") return true;
  const auto since = kube::TimeAt(*progressing, "lastUpdateTime");
  const auto deadline = std::chrono::seconds(IntAt(deployment(), "spec.progressDeadlineSeconds"));
  return since && *since + deadline < informers_.executor().WallNow();
}

void DeploymentSync::SetProgressCondition(Json& status) {
  if (!HasDeadline()) {
    RemoveCondition(conditions_, "Progressing");
    return;
  }
  const Json* current = FindCondition(conditions_, "Progressing");
  const bool already_complete = current != nullptr &&
                                StringAt(*current, "reason") == "NewReplicaSetAvailable" &&
                                IntAt(status, "replicas") == IntAt(status, "updatedReplicas");
  if (already_complete) return;
  const std::string what = new_set_ != nullptr
                               ? fmt::format("ReplicaSet \"{}\"", new_set_->name())
                               : fmt::format("Deployment \"{}\"", deployment_->name());
  if (Complete(status)) {
    SetCondition(conditions_, "Progressing", "True", "NewReplicaSetAvailable",
                 what + " has successfully progressed.", Now(), true);
  } else if (Progressing(status)) {
    // Each step forward moves lastUpdateTime, from which the deadline is counted.
    std::string since;
    if (current != nullptr && StringAt(*current, "status") == "True") {
      since = StringAt(*current, "lastTransitionTime");
    }
    RemoveCondition(conditions_, "Progressing");
    SetCondition(conditions_, "Progressing", "True", "ReplicaSetUpdated", what + " is progressing.",
                 Now(), true);
    if (!since.empty()) conditions_.back()["lastTransitionTime"] = since;
  } else if (TimedOut()) {
    SetCondition(conditions_, "Progressing", "False", "ProgressDeadlineExceeded",
                 what + " has timed out progressing.", Now(), true);
  }
}

base::Result<> DeploymentSync::WriteStatus(bool rollout) {
  Json status = CountStatus();
  if (IntAt(status, "availableReplicas") >= bounds_.MinAvailable()) {
    SetCondition(conditions_, "Available", "True", "MinimumReplicasAvailable",
                 "Deployment has minimum availability.", Now(), true);
  } else {
    SetCondition(conditions_, "Available", "False", "MinimumReplicasUnavailable",
                 "Deployment does not have minimum availability.", Now(), true);
  }
  if (rollout) {
    SetProgressCondition(status);
    const Json* failure = nullptr;
    if (new_set_ != nullptr) failure = ConditionOf(new_set_->json(), "ReplicaFailure");
    for (const ObjectPtr& set : old_sets_) {
      if (failure == nullptr) failure = ConditionOf(set->json(), "ReplicaFailure");
    }
    if (failure != nullptr) {
      SetCondition(conditions_, "ReplicaFailure", StringAt(*failure, "status"),
                   StringAt(*failure, "reason"), StringAt(*failure, "message"), Now(), true);
    } else {
      RemoveCondition(conditions_, "ReplicaFailure");
    }
  }
  if (!conditions_.empty()) status["conditions"] = conditions_;
  if (status == At(deployment(), "status")) return {};
  Json changed = deployment();
  changed["status"] = std::move(status);
  auto written = informers_.api().Update(kube::kDeployment, std::move(changed), "status");
  if (!written) {
    if (written.error().kind() == base::ErrorKind::kNotFound) return {};
    return std::unexpected(written.error());
  }
  deployment_ = std::move(*written);
  return {};
}

std::optional<base::Duration> DeploymentSync::UntilDeadline() const {
  if (!HasDeadline() || paused()) return std::nullopt;
  const Json* progressing = ConditionOf(deployment(), "Progressing");
  if (progressing == nullptr) return std::nullopt;
  const std::string& reason = StringAt(*progressing, "reason");
  if (Complete(At(deployment(), "status")) || reason == "NewReplicaSetAvailable" ||
      reason == "ProgressDeadlineExceeded") {
    return std::nullopt;
  }
  const auto since = kube::TimeAt(*progressing, "lastUpdateTime");
  if (!since) return std::nullopt;
  const auto deadline = std::chrono::seconds(IntAt(deployment(), "spec.progressDeadlineSeconds"));
  const base::Duration left = *since + deadline - informers_.executor().WallNow();
  // Written times have whole seconds, so look a second later than the deadline.
  return std::max(left, base::Duration::zero()) + std::chrono::seconds(1);
}

}  // namespace enclave::cluster
