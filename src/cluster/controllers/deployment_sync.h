// One reconcile of one Deployment: the working copies of it and of its ReplicaSets, and the steps
// of deployment_controller.h. Made, run and dropped within one task.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/controllers/rollout.h"
#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class DeploymentSync {
 public:
  // `sets`: the ReplicaSets that the Deployment controls.
  DeploymentSync(kube::SharedInformers& informers, kube::Informer& pods,
                 kube::EventRecorder& events, kube::ObjectPtr deployment,
                 std::vector<kube::ObjectPtr> sets);

  // When to look again without an event: the progress deadline.
  kube::Reconciler::Outcome Run();

 private:
  using Json = kube::Json;
  using ObjectPtr = kube::ObjectPtr;

  const Json& deployment() const { return deployment_->json(); }
  std::string Now() const;
  bool HasDeadline() const;
  bool paused() const;
  bool IsScalingEvent() const;
  std::vector<ObjectPtr> AllSets() const;

  // Splits the sets into the one of the current template and the others, oldest first.
  void Classify(std::vector<ObjectPtr> sets);
  std::int64_t NewRevision() const;
  base::Result<> SyncNewSet(bool create);
  base::Result<> CreateNewSet();
  base::Result<> SetRevisionAnnotation(const std::string& revision);
  // Puts `size` into the set at `set`, with an event. The working copy is replaced.
  base::Result<> ScaleSet(ObjectPtr& set, std::int64_t size);

  base::Result<> ScaleOnly();
  base::Result<> RollOut();
  base::Result<> Recreate();
  base::Result<bool> ScaleNewSet();
  base::Result<bool> ScaleDownOldSets();
  bool OldPodsRunning() const;
  base::Result<> CleanHistory();

  void SetPausedCondition();
  Json CountStatus() const;
  bool Complete(const Json& status) const;
  bool Progressing(const Json& status) const;
  bool TimedOut() const;
  void SetProgressCondition(Json& status);
  base::Result<> WriteStatus(bool rollout);
  std::optional<base::Duration> UntilDeadline() const;

  kube::SharedInformers& informers_;
  kube::Informer& pods_;
  kube::EventRecorder& events_;
  ObjectPtr deployment_;
  const RolloutBounds bounds_;
  ObjectPtr new_set_;                // null: none of the current template
  std::vector<ObjectPtr> old_sets_;  // by creation, oldest first
  // status.conditions and collisionCount as they will be written.
  Json conditions_;
  std::int64_t collisions_ = 0;
  bool collided_ = false;
};

}  // namespace enclave::cluster
