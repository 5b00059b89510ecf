#include "cluster/kubelet/pod_status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cluster/kubelet/pod_fields.h"
#include "kube/time.h"

namespace enclave::cluster {

using kube::Json;
using Workers = std::vector<const ContainerWorker*>;

namespace {

bool IsInitialized(const Workers& init_containers) {
  return std::ranges::all_of(init_containers, [](const ContainerWorker* container) {
    return container->kind() == ContainerWorker::Kind::kSidecar
               ? container->started() || container->ended()
               : container->succeeded();
  });
}

struct Condition {
  const char* type;
  bool status;
  std::string reason;
  std::string message;
};

const Json* FindCondition(const Json& conditions, std::string_view type) {
  for (const Json& condition : conditions)
    if (kube::StringAt(condition, "type") == type) return &condition;
  return nullptr;
}

Json RenderCondition(const Condition& condition, const Json& before, const std::string& now) {
  Json rendered = {{"type", condition.type},
                   {"status", condition.status ? "True" : "False"},
                   {"lastTransitionTime", now}};
  if (!condition.reason.empty()) rendered["reason"] = condition.reason;
  if (!condition.message.empty()) rendered["message"] = condition.message;
  const Json* known = FindCondition(before, condition.type);
  const char* status = condition.status ? "True" : "False";
  if (known != nullptr && kube::StringAt(*known, "status") == status) {
    const std::string& since = kube::StringAt(*known, "lastTransitionTime");
    if (!since.empty()) rendered["lastTransitionTime"] = since;
  }
  return rendered;
}

Condition ContainersReady(const PodStatusInputs& inputs, const std::string& phase) {
  if (phase == "Succeeded") return {"ContainersReady", false, "PodCompleted", ""};
  if (phase == "Failed") return {"ContainersReady", false, "PodFailed", ""};
  std::vector<std::string> unready;
  for (const ContainerWorker* container : inputs.init_containers)
    if (container->kind() == ContainerWorker::Kind::kSidecar && !container->ready())
      unready.push_back(container->name());
  for (const ContainerWorker* container : inputs.containers)
    if (!container->ready()) unready.push_back(container->name());
  if (unready.empty()) return {"ContainersReady", true, "", ""};
  return {"ContainersReady", false, "ContainersNotReady",
          fmt::format("containers with unready status: [{}]", fmt::join(unready, " "))};
}

Condition PodReadyCondition(const PodStatusInputs& inputs, const Condition& containers,
                            const Json& before) {
  Condition ready = containers;
  ready.type = "Ready";
  if (!ready.status) return ready;
  std::vector<std::string> missing;
  for (const Json& gate : ListAt(inputs.pod.json(), "spec.readinessGates")) {
    const std::string& type = kube::StringAt(gate, "conditionType");
    const Json* condition = FindCondition(before, type);
    if (condition == nullptr || kube::StringAt(*condition, "status") != "True")
      missing.push_back(type);
  }
  if (missing.empty()) return ready;
  return {"Ready", false, "ReadinessGatesNotReady",
          fmt::format("the status of pod readiness gates is not \"True\": [{}]",
                      fmt::join(missing, " "))};
}

Condition Initialized(const PodStatusInputs& inputs, const std::string& phase) {
  if (phase == "Succeeded") return {"Initialized", true, "PodCompleted", ""};
  if (IsInitialized(inputs.init_containers)) return {"Initialized", true, "", ""};
  std::vector<std::string> incomplete;
  for (const ContainerWorker* container : inputs.init_containers)
    if (!IsInitialized({container})) incomplete.push_back(container->name());
  return {"Initialized", false, "ContainersNotInitialized",
          fmt::format("containers with incomplete status: [{}]", fmt::join(incomplete, " "))};
}

Json RenderConditions(const PodStatusInputs& inputs, const std::string& phase) {
  const Json& before = ListAt(inputs.pod.json(), "status.conditions");
  const Condition containers = ContainersReady(inputs, phase);
  const std::vector<Condition> own = {
      {"PodReadyToStartContainers", inputs.sandbox_ready, "", ""},
      Initialized(inputs, phase),
      PodReadyCondition(inputs, containers, before),
      containers,
  };
  const std::string now = kube::FormatTime(inputs.now);
  Json conditions = Json::array();
  for (const Condition& condition : own)
    conditions.push_back(RenderCondition(condition, before, now));
  if (FindCondition(before, "PodScheduled") == nullptr)
    conditions.push_back(RenderCondition({"PodScheduled", true, "", ""}, before, now));
  for (const Json& condition : before) {
    const std::string& type = kube::StringAt(condition, "type");
    if (FindCondition(conditions, type) == nullptr) conditions.push_back(condition);
  }
  return conditions;
}

Json RenderContainers(const Workers& workers, const char* idle_reason) {
  Json entries = Json::array();
  for (const ContainerWorker* worker : workers) entries.push_back(worker->Status(idle_reason));
  return entries;
}

}  // namespace

std::string PodPhase(const PodStatusInputs& inputs) {
  const auto running = [](const ContainerWorker* container) { return container->running(); };
  const bool any_running = std::ranges::any_of(inputs.containers, running) ||
                           std::ranges::any_of(inputs.init_containers, running);
  if (!inputs.failure_reason.empty() && !any_running) return "Failed";
  // What ended stays ended, whoever said so.
  const std::string& known = kube::StringAt(inputs.pod.json(), "status.phase");
  if ((known == "Succeeded" || known == "Failed") && !any_running) return known;
  const bool init_failed =
      std::ranges::any_of(inputs.init_containers, [](const ContainerWorker* container) {
        return container->kind() == ContainerWorker::Kind::kInit && container->done() &&
               !container->succeeded();
      });
  if (init_failed) return "Failed";
  if (!IsInitialized(inputs.init_containers)) {
    const bool ran = std::ranges::any_of(
        inputs.containers, [](const ContainerWorker* c) { return c->running() || c->ended(); });
    if (!ran) return "Pending";
  }
  bool waiting = inputs.containers.empty();
  bool all_done = true;
  bool all_succeeded = true;
  for (const ContainerWorker* container : inputs.containers) {
    if (!container->running() && !container->ended()) waiting = true;
    all_done = all_done && container->done();
    all_succeeded = all_succeeded && container->succeeded();
  }
  if (waiting) return "Pending";
  if (!all_done) return "Running";
  return all_succeeded ? "Succeeded" : "Failed";
}

Json RenderPodStatus(const PodStatusInputs& inputs) {
  const std::string phase = PodPhase(inputs);
  Json status = {{"phase", phase},
                 {"conditions", RenderConditions(inputs, phase)},
                 {"hostIP", inputs.address.host_ip},
                 {"hostIPs", Json::array({{{"ip", inputs.address.host_ip}}})},
                 {"startTime", kube::FormatTime(inputs.start_time)},
                 {"qosClass", PodQosClass(inputs.pod.json())}};
  if (!inputs.address.pod_ip.empty()) {
    status["podIP"] = inputs.address.pod_ip;
    status["podIPs"] = Json::array({{{"ip", inputs.address.pod_ip}}});
  }
  if (phase == "Failed" && !inputs.failure_reason.empty()) {
    status["reason"] = inputs.failure_reason;
    status["message"] = inputs.failure_message;
  }
  const bool initialized = IsInitialized(inputs.init_containers);
  if (!inputs.init_containers.empty())
    status["initContainerStatuses"] = RenderContainers(inputs.init_containers, "PodInitializing");
  status["containerStatuses"] =
      RenderContainers(inputs.containers, initialized ? "ContainerCreating" : "PodInitializing");
  return status;
}

}  // namespace enclave::cluster
