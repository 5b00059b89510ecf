#include "cluster/api/kube_state_metrics.h"

#include <array>

#include "cluster/api/metrics_text.h"
#include "kube/quantity.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;
using Objects = std::vector<ObjectPtr>;

double CreatedSeconds(const kube::Object& object) {
  const auto created = kube::TimeAt(object.json(), "metadata.creationTimestamp");
  return created ? std::chrono::duration<double>(created->time_since_epoch()).count() : 0;
}

// A gauge with a sample for every object that has the number.
void NumberOfEach(MetricsText& text, std::string_view name, std::string_view help,
                  std::string_view label, const Objects& objects, std::string_view path) {
  text.Family(name, "gauge", help);
  for (const ObjectPtr& object : objects) {
    text.Sample({{"namespace", object->ns()}, {label, object->name()}},
                static_cast<double>(IntAt(object->json(), path)));
  }
}

// One sample for each status a condition may have, 1 for the one it has.
void ConditionsOfEach(MetricsText& text, std::string_view name, std::string_view help,
                      std::string_view label, const Objects& objects) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kStatuses{
      {{"True", "true"}, {"False", "false"}, {"Unknown", "unknown"}}};
  text.Family(name, "gauge", help);
  for (const ObjectPtr& object : objects) {
    for (const Json& condition : At(object->json(), "status.conditions")) {
      for (const auto& [status, shown] : kStatuses) {
        const double holds = StringAt(condition, "status") == status ? 1 : 0;
        if (object->ns().empty()) {
          text.Sample({{label, object->name()},
                       {"condition", StringAt(condition, "type")},
                       {"status", shown}},
                      holds);
        } else {
          text.Sample({{"namespace", object->ns()},
                       {label, object->name()},
                       {"condition", StringAt(condition, "type")},
                       {"status", shown}},
                      holds);
        }
      }
    }
  }
}

void CreatedOfEach(MetricsText& text, std::string_view name, std::string_view label,
                   const Objects& objects) {
  text.Family(name, "gauge", "Unix creation timestamp");
  for (const ObjectPtr& object : objects) {
    text.Sample({{"namespace", object->ns()}, {label, object->name()}}, CreatedSeconds(*object));
  }
}

const Json* Controller(const Json& object) {
  for (const Json& owner : At(object, "metadata.ownerReferences")) {
    if (kube::BoolAt(owner, "controller")) return &owner;
  }
  return nullptr;
}

void RenderPodConditions(MetricsText& text, const Objects& pods) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kTypes{
      {{"kube_pod_status_ready", "Ready"}, {"kube_pod_status_scheduled", "PodScheduled"}}};
  for (const auto& [family, type] : kTypes) {
    text.Family(family, "gauge", "Whether the pod's condition holds");
    for (const ObjectPtr& pod : pods) {
      std::string status = "Unknown";
      for (const Json& condition : At(pod->json(), "status.conditions")) {
        if (StringAt(condition, "type") == type) status = StringAt(condition, "status");
      }
      for (const std::string_view shown : {"true", "false", "unknown"}) {
        const bool holds = (status == "True" && shown == "true") ||
                           (status == "False" && shown == "false") ||
                           (status == "Unknown" && shown == "unknown");
        text.Sample({{"namespace", pod->ns()},
                     {"pod", pod->name()},
                     {"uid", pod->uid()},
                     {"condition", shown}},
                    holds ? 1 : 0);
      }
    }
  }
}

// Samples over all containers of all pods; `sample` gets the pod and one containerStatus.
template <typename Sample>
void ForEachContainer(const Objects& pods, const Sample& sample) {
  for (const ObjectPtr& pod : pods) {
    for (const Json& status : At(pod->json(), "status.containerStatuses")) sample(*pod, status);
  }
}

// A family of 1-valued samples labelled with a container state's reason.
void RenderReasons(MetricsText& text, std::string_view family, std::string_view help,
                   std::string_view path, const Objects& pods) {
  text.Family(family, "gauge", help);
  ForEachContainer(pods, [&](const kube::Object& pod, const Json& status) {
    const std::string& reason = StringAt(status, path);
    if (reason.empty()) return;
    text.Sample({{"namespace", pod.ns()},
                 {"pod", pod.name()},
                 {"uid", pod.uid()},
                 {"container", StringAt(status, "name")},
                 {"reason", reason}},
                1);
  });
}

void RenderContainers(MetricsText& text, const Objects& pods) {
  const auto number = [&](std::string_view family, std::string_view type, std::string_view help,
                          const auto& value) {
    text.Family(family, type, help);
    ForEachContainer(pods, [&](const kube::Object& pod, const Json& status) {
      text.Sample({{"namespace", pod.ns()},
                   {"pod", pod.name()},
                   {"uid", pod.uid()},
                   {"container", StringAt(status, "name")}},
                  value(status));
    });
  };
  number("kube_pod_container_status_restarts_total", "counter", "Restarts of the container",
         [](const Json& s) { return static_cast<double>(IntAt(s, "restartCount")); });
  number("kube_pod_container_status_ready", "gauge", "Whether the container is ready",
         [](const Json& s) { return kube::BoolAt(s, "ready") ? 1.0 : 0.0; });
  number("kube_pod_container_status_running", "gauge", "Whether the container runs",
         [](const Json& s) { return At(s, "state.running").is_object() ? 1.0 : 0.0; });
  number("kube_pod_container_status_waiting", "gauge", "Whether the container waits",
         [](const Json& s) { return At(s, "state.waiting").is_object() ? 1.0 : 0.0; });
  number("kube_pod_container_status_terminated", "gauge", "Whether the container has ended",
         [](const Json& s) { return At(s, "state.terminated").is_object() ? 1.0 : 0.0; });
  RenderReasons(text, "kube_pod_container_status_waiting_reason", "Why the container waits",
                "state.waiting.reason", pods);
  RenderReasons(text, "kube_pod_container_status_terminated_reason", "Why the container ended",
                "state.terminated.reason", pods);
  RenderReasons(text, "kube_pod_container_status_last_terminated_reason",
                "Why the container's last run ended", "lastState.terminated.reason", pods);
}

// CPU in cores, all else in its base unit.
void RenderResources(MetricsText& text, std::string_view family, std::string_view which,
                     const Objects& pods) {
  text.Family(family, "gauge", "What the container asks for or may use");
  for (const ObjectPtr& pod : pods) {
    for (const Json& container : At(pod->json(), "spec.containers")) {
      const Json& amounts = At(container, which);
      if (!amounts.is_object()) continue;
      for (const auto& [resource, amount] : amounts.items()) {
        if (!amount.is_string()) continue;
        const auto quantity = kube::Quantity::Parse(amount.get_ref<const std::string&>());
        if (!quantity) continue;
        text.Sample({{"namespace", pod->ns()},
                     {"pod", pod->name()},
                     {"uid", pod->uid()},
                     {"container", StringAt(container, "name")},
                     {"node", StringAt(pod->json(), "spec.nodeName")},
                     {"resource", resource},
                     {"unit", resource == "cpu" ? "core" : "byte"}},
                    static_cast<double>(quantity->MilliValue()) / 1000);
      }
    }
  }
}

void RenderPods(MetricsText& text, const Objects& pods) {
  text.Family("kube_pod_info", "gauge", "What the pod is and where it runs");
  for (const ObjectPtr& pod : pods) {
    const Json* owner = Controller(pod->json());
    text.Sample({{"namespace", pod->ns()},
                 {"pod", pod->name()},
                 {"uid", pod->uid()},
                 {"node", StringAt(pod->json(), "spec.nodeName")},
                 {"host_ip", StringAt(pod->json(), "status.hostIP")},
                 {"pod_ip", StringAt(pod->json(), "status.podIP")},
                 {"created_by_kind", owner == nullptr ? "" : StringAt(*owner, "kind")},
                 {"created_by_name", owner == nullptr ? "" : StringAt(*owner, "name")}},
                1);
  }
  text.Family("kube_pod_owner", "gauge", "Who controls the pod");
  for (const ObjectPtr& pod : pods) {
    const Json* owner = Controller(pod->json());
    if (owner == nullptr) continue;
    text.Sample({{"namespace", pod->ns()},
                 {"pod", pod->name()},
                 {"uid", pod->uid()},
                 {"owner_kind", StringAt(*owner, "kind")},
                 {"owner_name", StringAt(*owner, "name")},
                 {"owner_is_controller", "true"}},
                1);
  }
  text.Family("kube_pod_status_phase", "gauge", "The pod's phase");
  for (const ObjectPtr& pod : pods) {
    for (const std::string_view phase : {"Pending", "Running", "Succeeded", "Failed", "Unknown"}) {
      text.Sample(
          {{"namespace", pod->ns()}, {"pod", pod->name()}, {"uid", pod->uid()}, {"phase", phase}},
          StringAt(pod->json(), "status.phase") == phase ? 1 : 0);
    }
  }
  RenderPodConditions(text, pods);
  CreatedOfEach(text, "kube_pod_created", "pod", pods);
  RenderContainers(text, pods);
  RenderResources(text, "kube_pod_container_resource_requests", "resources.requests", pods);
  RenderResources(text, "kube_pod_container_resource_limits", "resources.limits", pods);
}

void RenderWorkloads(MetricsText& text, const Objects& deployments, const Objects& sets) {
  const auto deployment = [&](std::string_view name, std::string_view help, std::string_view path) {
    NumberOfEach(text, name, help, "deployment", deployments, path);
  };
  deployment("kube_deployment_spec_replicas", "Pods wanted", "spec.replicas");
  deployment("kube_deployment_status_replicas", "Pods there", "status.replicas");
  deployment("kube_deployment_status_replicas_ready", "Pods ready", "status.readyReplicas");
  deployment("kube_deployment_status_replicas_available", "Pods available",
             "status.availableReplicas");
  deployment("kube_deployment_status_replicas_unavailable", "Pods not available",
             "status.unavailableReplicas");
  deployment("kube_deployment_status_replicas_updated", "Pods of the newest template",
             "status.updatedReplicas");
  deployment("kube_deployment_metadata_generation", "Number of the wanted state",
             "metadata.generation");
  deployment("kube_deployment_status_observed_generation", "Number of the state acted upon",
             "status.observedGeneration");
  text.Family("kube_deployment_spec_paused", "gauge", "Whether rollouts are paused");
  for (const ObjectPtr& one : deployments) {
    text.Sample({{"namespace", one->ns()}, {"deployment", one->name()}},
                kube::BoolAt(one->json(), "spec.paused") ? 1 : 0);
  }
  ConditionsOfEach(text, "kube_deployment_status_condition", "Conditions of the deployment",
                   "deployment", deployments);
  CreatedOfEach(text, "kube_deployment_created", "deployment", deployments);

  const auto set = [&](std::string_view name, std::string_view help, std::string_view path) {
    NumberOfEach(text, name, help, "replicaset", sets, path);
  };
  set("kube_replicaset_spec_replicas", "Pods wanted", "spec.replicas");
  set("kube_replicaset_status_replicas", "Pods there", "status.replicas");
  set("kube_replicaset_status_ready_replicas", "Pods ready", "status.readyReplicas");
  set("kube_replicaset_status_observed_generation", "Number of the state acted upon",
      "status.observedGeneration");
  text.Family("kube_replicaset_owner", "gauge", "Who controls the replica set");
  for (const ObjectPtr& one : sets) {
    const Json* owner = Controller(one->json());
    if (owner == nullptr) continue;
    text.Sample({{"namespace", one->ns()},
                 {"replicaset", one->name()},
                 {"owner_kind", StringAt(*owner, "kind")},
                 {"owner_name", StringAt(*owner, "name")},
                 {"owner_is_controller", "true"}},
                1);
  }
}

void RenderServices(MetricsText& text, const Objects& services, const Objects& endpoints) {
  text.Family("kube_service_info", "gauge", "Where the service is reached");
  for (const ObjectPtr& service : services) {
    text.Sample({{"namespace", service->ns()},
                 {"service", service->name()},
                 {"uid", service->uid()},
                 {"cluster_ip", StringAt(service->json(), "spec.clusterIP")}},
                1);
  }
  text.Family("kube_endpoint_address", "gauge", "Addresses behind the service");
  for (const ObjectPtr& endpoint : endpoints) {
    for (const Json& subset : At(endpoint->json(), "subsets")) {
      for (const auto& [field, ready] :
           {std::pair{"addresses", "true"}, std::pair{"notReadyAddresses", "false"}}) {
        for (const Json& address : At(subset, field)) {
          text.Sample({{"namespace", endpoint->ns()},
                       {"endpoint", endpoint->name()},
                       {"ip", StringAt(address, "ip")},
                       {"ready", ready}},
                      1);
        }
      }
    }
  }
}

void RenderNodes(MetricsText& text, const Objects& nodes, const Objects& namespaces) {
  text.Family("kube_node_info", "gauge", "What the node is");
  for (const ObjectPtr& node : nodes) {
    const Json& info = At(node->json(), "status.nodeInfo");
    text.Sample({{"node", node->name()},
                 {"kernel_version", StringAt(info, "kernelVersion")},
                 {"os_image", StringAt(info, "osImage")},
                 {"kubelet_version", StringAt(info, "kubeletVersion")}},
                1);
  }
  text.Family("kube_node_spec_unschedulable", "gauge", "Whether the node takes no new pods");
  for (const ObjectPtr& node : nodes) {
    text.Sample({{"node", node->name()}}, kube::BoolAt(node->json(), "spec.unschedulable") ? 1 : 0);
  }
  ConditionsOfEach(text, "kube_node_status_condition", "Conditions of the node", "node", nodes);
  text.Family("kube_namespace_status_phase", "gauge", "The namespace's phase");
  for (const ObjectPtr& ns : namespaces) {
    for (const std::string_view phase : {"Active", "Terminating"}) {
      text.Sample({{"namespace", ns->name()}, {"phase", phase}},
                  StringAt(ns->json(), "status.phase") == phase ? 1 : 0);
    }
  }
}

}  // namespace

std::string RenderKubeStateMetrics(const Store& store) {
  const auto all = [&store](const char* resource) { return store.List(resource, "").items; };
  MetricsText text;
  RenderPods(text, all("pods"));
  RenderWorkloads(text, all("deployments.apps"), all("replicasets.apps"));
  RenderServices(text, all("services"), all("endpoints"));
  RenderNodes(text, all("nodes"), all("namespaces"));
  return text.Take();
}

}  // namespace enclave::cluster
