#include "cluster/controllers/deployment_sync.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cluster/controllers/objects.h"
#include "cluster/controllers/pod_template.h"
#include "kube/hash.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::BoolAt;
using kube::IntAt;
using kube::StringAt;

// Kubernetes writes this for "no deadline".
constexpr std::int64_t kNoDeadline = 2'147'483'647;

constexpr std::array<std::string_view, 6> kAnnotationsNotCopied = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to"};

bool OlderFirst(const kube::ObjectPtr& a, const kube::ObjectPtr& b) {
  const std::string& left = StringAt(a->json(), "metadata.creationTimestamp");
  const std::string& right = StringAt(b->json(), "metadata.creationTimestamp");
  return left != right ? left < right : a->name() < b->name();
}

// Makes `set` belong to the trace that `deployment` belongs to, or to none; whether that changed
// it.
bool CopyTrace(const kube::Json& deployment, kube::Json& set) {
  const std::string& trace = AnnotationOf(deployment, kTraceAnnotation);
  if (AnnotationOf(set, kTraceAnnotation) == trace) return false;
  kube::Json& annotations = ObjectAt(ObjectAt(set, "metadata"), "annotations");
  if (trace.empty()) {
    annotations.erase(kTraceAnnotation);
  } else {
    annotations[kTraceAnnotation] = trace;
  }
  return true;
}

// Makes `set`'s annotations what `deployment` and `revision` ask for; whether anything changed. The
// size annotations are only refreshed with a resize (they tell the size a share is computed from).
bool CopyAnnotations(const kube::Json& deployment, kube::Json& set, std::int64_t revision) {
  kube::Json& annotations = ObjectAt(ObjectAt(set, "metadata"), "annotations");
  bool changed = CopyTrace(deployment, set);
  const kube::Json& source = At(deployment, "metadata.annotations");
  if (source.is_object()) {
    for (const auto& [key, value] : source.items()) {
      if (std::ranges::find(kAnnotationsNotCopied, key) != kAnnotationsNotCopied.end()) continue;
      if (annotations.contains(key) && annotations[key] == value) continue;
      annotations[key] = value;
      changed = true;
    }
  }
  const std::int64_t old_revision = RevisionOf(set);
  if (old_revision < revision) {
    if (old_revision > 0) {
      constexpr const char* kHistory = "deployment.kubernetes.io/revision-history";
      const std::string& history = AnnotationOf(set, kHistory);
      std::string longer = (history.empty() ? "" : history + ",") + std::to_string(old_revision);
      // Bounded: a set that is undone to for ever must not grow for ever.
      if (longer.size() > 2000) longer.erase(0, longer.find(',', longer.size() - 2000) + 1);
      annotations[kHistory] = std::move(longer);
    }
    annotations[kRevisionAnnotation] = std::to_string(revision);
    changed = true;
  }
  return changed;
}

}  // namespace

DeploymentSync::DeploymentSync(kube::SharedInformers& informers, kube::Informer& pods,
                               kube::EventRecorder& events, ObjectPtr deployment,
                               std::vector<ObjectPtr> sets)
    : informers_(informers),
      pods_(pods),
      events_(events),
      deployment_(std::move(deployment)),
      bounds_(BoundsOf(deployment_->json())),
      conditions_(ItemsAt(deployment_->json(), "status.conditions")),
      collisions_(IntAt(deployment_->json(), "status.collisionCount")),
      collided_(At(deployment_->json(), "status.collisionCount").is_number()) {
  Classify(std::move(sets));
}

std::string DeploymentSync::Now() const {
  return kube::FormatTime(informers_.executor().WallNow());
}

bool DeploymentSync::HasDeadline() const {
  const std::int64_t seconds = IntAt(deployment(), "spec.progressDeadlineSeconds", kNoDeadline);
  return seconds < kNoDeadline;
}

bool DeploymentSync::paused() const {
  return BoolAt(deployment(), "spec.paused");
}

std::vector<kube::ObjectPtr> DeploymentSync::AllSets() const {
  std::vector<ObjectPtr> all = old_sets_;
  if (new_set_ != nullptr) all.push_back(new_set_);
  return all;
}

void DeploymentSync::Classify(std::vector<ObjectPtr> sets) {
  std::ranges::sort(sets, OlderFirst);
  const kube::Json wanted = NormalisedTemplate(At(deployment(), "spec.template"));
  for (ObjectPtr& set : sets) {
    // A set that is being deleted can serve no rollout.
    if (new_set_ == nullptr && !set->deleting() &&
        NormalisedTemplate(At(set->json(), "spec.template")) == wanted) {
      new_set_ = std::move(set);
    } else {
      old_sets_.push_back(std::move(set));
    }
  }
}

kube::Reconciler::Outcome DeploymentSync::Run() {
  if (deployment_->deleting()) {
    RETURN_IF_ERROR(WriteStatus(false));
    return std::nullopt;
  }
  SetPausedCondition();
  if (paused() || IsScalingEvent()) {
    RETURN_IF_ERROR(ScaleOnly());
    return std::nullopt;
  }
  base::Result<> done = bounds_.rolling ? RollOut() : Recreate();
  if (!done) {
    // The conditions say why (FailedCreate); the step itself is retried with back-off.
    RETURN_IF_ERROR(WriteStatus(false));
    return std::unexpected(done.error());
  }
  return UntilDeadline();
}

bool DeploymentSync::IsScalingEvent() const {
  return std::ranges::any_of(AllSets(), [&](const ObjectPtr& set) {
    const std::string& desired = AnnotationOf(set->json(), kDesiredReplicasAnnotation);
    return ReplicasOf(set->json()) > 0 && !desired.empty() &&
           desired != std::to_string(bounds_.replicas);
  });
}

base::Result<> DeploymentSync::SetRevisionAnnotation(const std::string& revision) {
  if (AnnotationOf(deployment(), kRevisionAnnotation) == revision) return {};
  kube::Json changed = deployment();
  ObjectAt(ObjectAt(changed, "metadata"), "annotations")[kRevisionAnnotation] = revision;
  ASSIGN_OR_RETURN(deployment_, informers_.api().Update(kube::kDeployment, std::move(changed)));
  return {};
}

// One more than that of any other set. Sets may have been deleted by hand, so also never less than
// what the Deployment had reached.
std::int64_t DeploymentSync::NewRevision() const {
  std::int64_t newest_old = 0;
  for (const ObjectPtr& set : old_sets_) newest_old = std::max(newest_old, RevisionOf(set->json()));
  return std::max(newest_old + 1, RevisionOf(deployment()));
}

base::Result<> DeploymentSync::SyncNewSet(bool create) {
  if (new_set_ == nullptr) return create ? CreateNewSet() : base::Result<>();
  const std::int64_t revision = NewRevision();

  kube::Json changed = new_set_->json();
  bool differs = CopyAnnotations(deployment(), changed, revision);
  const kube::Json& min_ready = At(deployment(), "spec.minReadySeconds");
  if (IntAt(changed, "spec.minReadySeconds") != IntAt(deployment(), "spec.minReadySeconds")) {
    changed["spec"]["minReadySeconds"] = min_ready.is_null() ? kube::Json(0) : min_ready;
    differs = true;
  }
  if (differs) {
    ASSIGN_OR_RETURN(new_set_, informers_.api().Update(kube::kReplicaSet, std::move(changed)));
  }
  if (HasDeadline() && std::ranges::none_of(conditions_, [](const kube::Json& condition) {
        return StringAt(condition, "type") == "Progressing";
      })) {
    SetCondition(conditions_, "Progressing", "True", "FoundNewReplicaSet",
                 fmt::format("Found new replica set \"{}\"", new_set_->name()), Now(), true);
  }
  return SetRevisionAnnotation(AnnotationOf(new_set_->json(), kRevisionAnnotation));
}

base::Result<> DeploymentSync::CreateNewSet() {
  const std::int64_t revision = NewRevision();
  kube::Json pod_template = NormalisedTemplate(At(deployment(), "spec.template"));
  const std::string hash = kube::TemplateHash(
      pod_template,
      collided_ ? std::optional(static_cast<std::uint32_t>(collisions_)) : std::nullopt);
  pod_template = At(deployment(), "spec.template");
  ObjectAt(ObjectAt(pod_template, "metadata"), "labels")[kTemplateHashLabel] = hash;
  kube::Json selector = At(deployment(), "spec.selector");
  ObjectAt(selector, "matchLabels")[kTemplateHashLabel] = hash;

  const std::string name = deployment_->name() + "-" + hash;
  const std::int64_t size = NewSetReplicas(bounds_, SumOfReplicas(old_sets_), 0);
  kube::Json set{
      {"apiVersion", "apps/v1"},
      {"kind", "ReplicaSet"},
      {"metadata",
       {{"name", name},
        {"namespace", deployment_->ns()},
        {"labels", pod_template["metadata"]["labels"]},
        {"ownerReferences",
         kube::Json::array({ControllerReference(kube::kDeployment, *deployment_)})}}},
      {"spec",
       {{"replicas", size}, {"selector", std::move(selector)}, {"template", pod_template}}}};
  const std::int64_t min_ready = IntAt(deployment(), "spec.minReadySeconds");
  if (min_ready > 0) set["spec"]["minReadySeconds"] = min_ready;
  CopyAnnotations(deployment(), set, revision);
  kube::Json& annotations = set["metadata"]["annotations"];
  annotations[kDesiredReplicasAnnotation] = std::to_string(bounds_.replicas);
  annotations[kMaxReplicasAnnotation] = std::to_string(bounds_.replicas + bounds_.max_surge);

  auto created = informers_.api().Create(kube::kReplicaSet, deployment_->ns(), std::move(set));
  if (!created && created.error().kind() == ErrorKind::kAlreadyExists) {
    const auto other = informers_.api().Get(kube::kReplicaSet, deployment_->ns(), name);
    // Gone again, or ours after all and on its way into the cache: look again.
    if (!other ||
        (ControllerUid((*other)->json()) == deployment_->uid() &&
         SameTemplate(At((*other)->json(), "spec.template"), At(deployment(), "spec.template")))) {
      return base::Fail(ErrorKind::kUnavailable,
                        "replica set " + name + " is not in the cache yet, or is on its way out");
    }
    // Another template has this hash: the next try hashes with a counter.
    ++collisions_;
    collided_ = true;
    return base::Fail(ErrorKind::kConflict, "the name " + name + " is taken by another template");
  }
  if (!created) {
    const base::Error& error = created.error();
    if (error.kind() == ErrorKind::kPermissionDenied &&
        error.message().find("being terminated") != std::string::npos) {
      return {};
    }
    if (HasDeadline()) {
      SetCondition(
          conditions_, "Progressing", "False", "ReplicaSetCreateError",
          fmt::format("Failed to create new replica set \"{}\": {}", name, error.message()), Now(),
          true);
    }
    events_.Record(
        *deployment_, "Warning", "ReplicaSetCreateError",
        fmt::format("Failed to create new replica set \"{}\": {}", name, error.message()));
    return std::unexpected(error.While("creating replica set " + name));
  }
  new_set_ = std::move(*created);
  if (size > 0) {
    events_.Record(*deployment_, "Normal", "ScalingReplicaSet",
                   fmt::format("Scaled up replica set {} from 0 to {}", name, size));
  }
  if (HasDeadline()) {
    SetCondition(conditions_, "Progressing", "True", "NewReplicaSetCreated",
                 fmt::format("Created new replica set \"{}\"", name), Now(), true);
  }
  return SetRevisionAnnotation(std::to_string(revision));
}

base::Result<> DeploymentSync::ScaleSet(ObjectPtr& set, std::int64_t size) {
  const std::int64_t before = ReplicasOf(set->json());
  const std::string desired = std::to_string(bounds_.replicas);
  const std::string most = std::to_string(bounds_.replicas + bounds_.max_surge);
  if (before == size && AnnotationOf(set->json(), kDesiredReplicasAnnotation) == desired &&
      AnnotationOf(set->json(), kMaxReplicasAnnotation) == most) {
    return {};
  }
  kube::Json changed = set->json();
  changed["spec"]["replicas"] = size;
  kube::Json& annotations = ObjectAt(ObjectAt(changed, "metadata"), "annotations");
  annotations[kDesiredReplicasAnnotation] = desired;
  annotations[kMaxReplicasAnnotation] = most;
  // The change of the Deployment that this scaling is part of.
  if (before != size) CopyTrace(deployment(), changed);
  ASSIGN_OR_RETURN(set, informers_.api().Update(kube::kReplicaSet, std::move(changed)));
  if (before != size) {
    events_.Record(*deployment_, "Normal", "ScalingReplicaSet",
                   fmt::format("Scaled {} replica set {} from {} to {}",
                               size > before ? "up" : "down", set->name(), before, size));
  }
  return {};
}

// Paused or rescaled: no new set, only sizes.
base::Result<> DeploymentSync::ScaleOnly() {
  RETURN_IF_ERROR(SyncNewSet(false));
  std::vector<ObjectPtr*> active;
  for (ObjectPtr& set : old_sets_) {
    if (ReplicasOf(set->json()) > 0) active.push_back(&set);
  }
  if (new_set_ != nullptr && ReplicasOf(new_set_->json()) > 0) active.push_back(&new_set_);

  const bool saturated = new_set_ != nullptr && ReplicasOf(new_set_->json()) == bounds_.replicas &&
                         AnnotationOf(new_set_->json(), kDesiredReplicasAnnotation) ==
                             std::to_string(bounds_.replicas) &&
                         IntAt(new_set_->json(), "status.availableReplicas") == bounds_.replicas;
  if (active.size() <= 1) {
    ObjectPtr* only = !active.empty()       ? active.front()
                      : new_set_ != nullptr ? &new_set_
                      : !old_sets_.empty()  ? &old_sets_.back()
                                            : nullptr;
    if (only != nullptr) RETURN_IF_ERROR(ScaleSet(*only, bounds_.replicas));
  } else if (saturated) {
    for (ObjectPtr* set : active) {
      if (set != &new_set_) RETURN_IF_ERROR(ScaleSet(*set, 0));
    }
  } else if (bounds_.rolling) {
    std::vector<ObjectPtr> sets;
    sets.reserve(active.size());
    for (const ObjectPtr* set : active) sets.push_back(*set);
    const std::vector<std::int64_t> sizes =
        ShareScale(bounds_, sets, IntAt(deployment(), "status.replicas"));
    // Down before up: the sum never passes what is allowed.
    for (const bool up : {false, true}) {
      for (std::size_t i = 0; i < active.size(); ++i) {
        if ((sizes[i] > ReplicasOf(sets[i]->json())) == up) {
          RETURN_IF_ERROR(ScaleSet(*active[i], sizes[i]));
        }
      }
    }
  } else {
    // Recreate with several sets active: only the annotations move on, the rollout does the rest.
    for (ObjectPtr* set : active) RETURN_IF_ERROR(ScaleSet(*set, ReplicasOf((*set)->json())));
  }
  if (paused()) RETURN_IF_ERROR(CleanHistory());
  return WriteStatus(false);
}

base::Result<> DeploymentSync::RollOut() {
  RETURN_IF_ERROR(SyncNewSet(true));
  ASSIGN_OR_RETURN(const bool grew, ScaleNewSet());
  if (!grew) {
    ASSIGN_OR_RETURN(const bool shrank, ScaleDownOldSets());
    if (!shrank && Complete(At(deployment(), "status"))) RETURN_IF_ERROR(CleanHistory());
  }
  return WriteStatus(true);
}

base::Result<bool> DeploymentSync::ScaleNewSet() {
  if (new_set_ == nullptr) return false;
  const std::int64_t size = ReplicasOf(new_set_->json());
  std::int64_t wanted = size;
  if (size > bounds_.replicas) {
    wanted = bounds_.replicas;
  } else if (size < bounds_.replicas) {
    wanted = NewSetReplicas(bounds_, SumOfReplicas(AllSets()), size);
  }
  if (wanted == size) return false;
  RETURN_IF_ERROR(ScaleSet(new_set_, wanted));
  return true;
}

base::Result<bool> DeploymentSync::ScaleDownOldSets() {
  const std::int64_t old_pods = SumOfReplicas(old_sets_);
  if (old_pods == 0 || new_set_ == nullptr) return false;
  const std::int64_t all_pods = old_pods + ReplicasOf(new_set_->json());
  const std::int64_t new_unavailable = ReplicasOf(new_set_->json()) - AvailableOf(new_set_->json());
  // If every old pod were available, this many could go.
  const std::int64_t most = all_pods - bounds_.MinAvailable() - new_unavailable;
  if (most <= 0) return false;

  // Unhealthy old pods first: their going costs no availability, and a broken rollout that is
  // rolled back must not wait for them.
  std::int64_t gone = 0;
  for (ObjectPtr& set : old_sets_) {
    const std::int64_t size = ReplicasOf(set->json());
    const std::int64_t down = std::min(most - gone, size - AvailableOf(set->json()));
    if (down <= 0) continue;
    RETURN_IF_ERROR(ScaleSet(set, size - down));
    gone += down;
  }
  std::int64_t available = AvailableOf(new_set_->json());
  for (const ObjectPtr& set : old_sets_) available += AvailableOf(set->json());
  std::int64_t spare = std::min(available - bounds_.MinAvailable(), most - gone);
  for (ObjectPtr& set : old_sets_) {
    const std::int64_t size = ReplicasOf(set->json());
    const std::int64_t down = std::min(spare, size);
    if (down <= 0) continue;
    RETURN_IF_ERROR(ScaleSet(set, size - down));
    spare -= down;
    gone += down;
  }
  return gone > 0;
}

base::Result<> DeploymentSync::Recreate() {
  RETURN_IF_ERROR(SyncNewSet(false));
  bool shrank = false;
  for (ObjectPtr& set : old_sets_) {
    if (ReplicasOf(set->json()) == 0) continue;
    RETURN_IF_ERROR(ScaleSet(set, 0));
    shrank = true;
  }
  if (shrank || OldPodsRunning()) return WriteStatus(true);
  if (new_set_ == nullptr) RETURN_IF_ERROR(SyncNewSet(true));
  if (new_set_ != nullptr && ReplicasOf(new_set_->json()) != bounds_.replicas) {
    RETURN_IF_ERROR(ScaleSet(new_set_, bounds_.replicas));
  }
  if (Complete(At(deployment(), "status"))) RETURN_IF_ERROR(CleanHistory());
  return WriteStatus(true);
}

bool DeploymentSync::OldPodsRunning() const {
  return std::ranges::any_of(old_sets_, [&](const ObjectPtr& set) {
    return IntAt(set->json(), "status.replicas") > 0 ||
           std::ranges::any_of(pods_.OwnedBy(set->uid()), [](const ObjectPtr& pod) {
             return !PodTerminal(pod->json());  // terminating ones run still
           });
  });
}

base::Result<> DeploymentSync::CleanHistory() {
  const std::int64_t limit = IntAt(deployment(), "spec.revisionHistoryLimit", 10);
  std::vector<ObjectPtr> alive;
  for (const ObjectPtr& set : old_sets_) {
    if (!set->deleting()) alive.push_back(set);
  }
  const std::int64_t excess = static_cast<std::int64_t>(alive.size()) - limit;
  if (excess <= 0) return {};
  std::ranges::sort(alive, {}, [](const ObjectPtr& set) {
    return std::pair(RevisionOf(set->json()), set->name());
  });
  for (std::size_t i = 0; i < static_cast<std::size_t>(excess); ++i) {
    const kube::Json& set = alive[i]->json();
    // Its pods must be gone first.
    if (IntAt(set, "status.replicas") != 0 || ReplicasOf(set) != 0 ||
        IntAt(set, "metadata.generation") > IntAt(set, "status.observedGeneration")) {
      continue;
    }
    const auto deleted = informers_.api().Delete(kube::kReplicaSet, alive[i]->ns(),
                                                 alive[i]->name(), {.uid = alive[i]->uid()});
    if (!deleted && deleted.error().kind() != ErrorKind::kNotFound) {
      return std::unexpected(deleted.error());
    }
    std::erase(old_sets_, alive[i]);
  }
  return {};
}

}  // namespace enclave::cluster
