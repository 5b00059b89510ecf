#include "cluster/controllers/deployment_controller.h"

#include "cluster/controllers/claim.h"
#include "cluster/controllers/deployment_sync.h"
#include "cluster/controllers/objects.h"
#include "kube/selector.h"

namespace enclave::cluster {

using kube::At;
using kube::ObjectPtr;
using kube::StringAt;

DeploymentController::DeploymentController(kube::SharedInformers& informers)
    : informers_(informers),
      deployments_(informers.For(kube::kDeployment)),
      sets_(informers.For(kube::kReplicaSet)),
      pods_(informers.For(kube::kPod)),
      events_(informers, "deployment-controller"),
      reconciler_(informers, {.name = "deployment"},
                  [this](const kube::ObjectName& key) { return Reconcile(key); }) {
  reconciler_.EnqueueChangesOf(deployments_);
  reconciler_.EnqueueOwnersOf(sets_, kube::kDeployment);
  sets_.OnChange(
      [this](const ObjectPtr& before, const ObjectPtr& after) { EnqueueForOrphan(before, after); });
  pods_.OnChange(
      [this](const ObjectPtr& before, const ObjectPtr& after) { EnqueueForPod(before, after); });
}

void DeploymentController::EnqueueForOrphan(const ObjectPtr& before, const ObjectPtr& after) {
  if (before != nullptr && after != nullptr) {
    const kube::Json* old_owner = ControllerOf(before->json());
    if (old_owner != nullptr && StringAt(*old_owner, "kind") == "Deployment" &&
        StringAt(*old_owner, "uid") != ControllerUid(after->json())) {
      reconciler_.Enqueue({after->ns(), StringAt(*old_owner, "name")});
    }
  }
  if (after == nullptr || after->deleting() || ControllerOf(after->json()) != nullptr) return;
  for (const ObjectPtr& deployment : deployments_.List(after->ns())) {
    const auto selector = kube::LabelSelector::FromJson(At(deployment->json(), "spec.selector"));
    if (selector && !selector->empty() && selector->Matches(At(after->json(), "metadata.labels"))) {
      reconciler_.Enqueue({deployment->ns(), deployment->name()});
    }
  }
}

// Recreate waits until the old pods are really gone, which no ReplicaSet status tells.
void DeploymentController::EnqueueForPod(const ObjectPtr& before, const ObjectPtr& after) {
  if (before == nullptr) return;
  if (after != nullptr && PodTerminal(after->json()) == PodTerminal(before->json())) return;
  const kube::Json* set_reference = ControllerOf(before->json());
  if (set_reference == nullptr || StringAt(*set_reference, "kind") != "ReplicaSet") return;
  const ObjectPtr set = sets_.Get(before->ns(), StringAt(*set_reference, "name"));
  if (set == nullptr) return;
  const kube::Json* owner = ControllerOf(set->json());
  if (owner == nullptr || StringAt(*owner, "kind") != "Deployment") return;
  const ObjectPtr deployment = deployments_.Get(set->ns(), StringAt(*owner, "name"));
  if (deployment == nullptr || BoundsOf(deployment->json()).rolling) return;
  reconciler_.Enqueue({deployment->ns(), deployment->name()});
}

kube::Reconciler::Outcome DeploymentController::Reconcile(const kube::ObjectName& key) {
  const ObjectPtr deployment = deployments_.Get(key.ns, key.name);
  if (deployment == nullptr) return std::nullopt;
  const auto selector = kube::LabelSelector::FromJson(At(deployment->json(), "spec.selector"));
  if (!selector || selector->empty()) return std::nullopt;  // would select every set
  ASSIGN_OR_RETURN(std::vector<ObjectPtr> sets,
                   ClaimDependents(informers_, kube::kDeployment, *deployment, *selector,
                                   kube::kReplicaSet, sets_));
  return DeploymentSync(informers_, pods_, events_, deployment, std::move(sets)).Run();
}

}  // namespace enclave::cluster
