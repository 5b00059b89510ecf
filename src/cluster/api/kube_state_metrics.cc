#include "cluster/api/kube_state_metrics.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "cluster/api/kube_state_parts.h"
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

// A number, or a percentage of the replicas rounded up or down.
void RenderRollingUpdate(MetricsText& text, std::string_view family, std::string_view help,
                         std::string_view path, bool rounds_up, const Objects& deployments) {
  text.Family(family, "gauge", help);
  for (const ObjectPtr& one : deployments) {
    const Json& wanted = At(one->json(), path);
    double value = 0;
    if (wanted.is_number_integer()) {
      value = wanted.get<double>();
    } else if (wanted.is_string()) {
      const std::string& percent = wanted.get_ref<const std::string&>();
      std::int64_t number = 0;
      std::from_chars(percent.data(), percent.data() + percent.size(), number);
      const double share =
          static_cast<double>(number * IntAt(one->json(), "spec.replicas", 1)) / 100;
      value = rounds_up ? std::ceil(share) : std::floor(share);
    } else {
      continue;
    }
    text.Sample({{"namespace", one->ns()}, {"deployment", one->name()}}, value);
  }
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
  RenderRollingUpdate(text, "kube_deployment_spec_strategy_rollingupdate_max_surge",
                      "Pods that a rollout may have beyond those wanted",
                      "spec.strategy.rollingUpdate.maxSurge", true, deployments);
  RenderRollingUpdate(text, "kube_deployment_spec_strategy_rollingupdate_max_unavailable",
                      "Pods that a rollout may be without",
                      "spec.strategy.rollingUpdate.maxUnavailable", false, deployments);
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

void RenderNodeAmounts(MetricsText& text, std::string_view family, std::string_view help,
                       std::string_view path, const Objects& nodes) {
  text.Family(family, "gauge", help);
  for (const ObjectPtr& node : nodes) {
    ForEachAmount(At(node->json(), path), [&](const std::string& resource, std::string_view unit,
                                              double value) {
      text.Sample({{"node", node->name()}, {"resource", resource}, {"unit", unit}}, value);
    });
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
  RenderNodeAmounts(text, "kube_node_status_capacity", "What the node has", "status.capacity",
                    nodes);
  RenderNodeAmounts(text, "kube_node_status_allocatable", "What pods may have of the node",
                    "status.allocatable", nodes);
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

const Json* Controller(const Json& object) {
  for (const Json& owner : At(object, "metadata.ownerReferences")) {
    if (kube::BoolAt(owner, "controller")) return &owner;
  }
  return nullptr;
}

void CreatedOfEach(MetricsText& text, std::string_view name, std::string_view label,
                   const Objects& objects) {
  text.Family(name, "gauge", "Unix creation timestamp");
  for (const ObjectPtr& object : objects) {
    text.Sample({{"namespace", object->ns()}, {label, object->name()}}, CreatedSeconds(*object));
  }
}

void ForEachAmount(
    const Json& amounts,
    const std::function<void(const std::string&, std::string_view, double)>& sample) {
  if (!amounts.is_object()) return;
  for (const auto& [resource, amount] : amounts.items()) {
    if (!amount.is_string()) continue;
    const auto quantity = kube::Quantity::Parse(amount.get_ref<const std::string&>());
    if (!quantity) continue;
    std::string name = resource;
    std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    std::string_view unit = "byte";
    if (resource == "cpu") unit = "core";
    if (resource == "pods") unit = "integer";
    sample(name, unit, static_cast<double>(quantity->MilliValue()) / 1000);
  }
}

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
