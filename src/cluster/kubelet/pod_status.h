// A pod's status from its containers' states (Kubernetes pkg/kubelet: getPhase and status
// generators): phase, conditions, container statuses. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "cluster/kubelet/container_worker.h"
#include "kube/object.h"

namespace enclave::cluster {

struct PodStatusInputs {
  const kube::Object& pod;  // with the status that the API has
  base::WallTime now{};
  base::WallTime start_time{};
  PodAddress address{};        // pod_ip "": none yet
  bool sandbox_ready = false;  // address and volumes are there
  // In the manifest's order.
  std::vector<const ContainerWorker*> init_containers{};
  std::vector<const ContainerWorker*> containers{};
  // Set when the pod failed as a whole (DeadlineExceeded, OutOfcpu, ...): it is Failed as soon as
  // no container runs.
  std::string failure_reason{};
  std::string failure_message{};
};

// Pending, Running, Succeeded or Failed.
std::string PodPhase(const PodStatusInputs& inputs);
// The whole status. Conditions of others (readiness gates, the scheduler) are kept; an unchanged
// condition keeps its lastTransitionTime.
kube::Json RenderPodStatus(const PodStatusInputs& inputs);

}  // namespace enclave::cluster
