// The metrics of pods and their containers.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "cluster/api/kube_state_parts.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

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

// The containers of one kind: how their metrics begin, and where they stand in a pod.
struct ContainerGroup {
  std::string prefix;  // "kube_pod_container"
  std::string_view specs;
  std::string_view statuses;
};

// Samples over all containers of all pods; `sample` gets the pod and one containerStatus.
template <typename Sample>
void ForEachContainer(const ContainerGroup& group, const Objects& pods, const Sample& sample) {
  for (const ObjectPtr& pod : pods) {
    for (const Json& status : At(pod->json(), group.statuses)) sample(*pod, status);
  }
}

void RenderContainerInfo(MetricsText& text, const ContainerGroup& group, const Objects& pods) {
  text.Family(group.prefix + "_info", "gauge", "What the container runs");
  ForEachContainer(group, pods, [&](const kube::Object& pod, const Json& status) {
    std::string image;
    for (const Json& spec : At(pod.json(), group.specs)) {
      if (StringAt(spec, "name") == StringAt(status, "name")) image = StringAt(spec, "image");
    }
    text.Sample({{"namespace", pod.ns()},
                 {"pod", pod.name()},
                 {"uid", pod.uid()},
                 {"container", StringAt(status, "name")},
                 {"image_spec", image},
                 {"image", StringAt(status, "image")},
                 {"image_id", StringAt(status, "imageID")},
                 {"container_id", StringAt(status, "containerID")}},
                1);
  });
}

// A family of 1-valued samples labelled with a container state's reason.
void RenderReasons(MetricsText& text, const ContainerGroup& group, std::string_view family,
                   std::string_view help, std::string_view path, const Objects& pods) {
  text.Family(group.prefix + std::string(family), "gauge", help);
  ForEachContainer(group, pods, [&](const kube::Object& pod, const Json& status) {
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

void RenderContainers(MetricsText& text, const ContainerGroup& group, const Objects& pods) {
  RenderContainerInfo(text, group, pods);
  const auto number = [&](std::string_view family, std::string_view type, std::string_view help,
                          const auto& value) {
    text.Family(group.prefix + std::string(family), type, help);
    ForEachContainer(group, pods, [&](const kube::Object& pod, const Json& status) {
      text.Sample({{"namespace", pod.ns()},
                   {"pod", pod.name()},
                   {"uid", pod.uid()},
                   {"container", StringAt(status, "name")}},
                  value(status));
    });
  };
  number("_status_restarts_total", "counter", "Restarts of the container",
         [](const Json& s) { return static_cast<double>(IntAt(s, "restartCount")); });
  number("_status_ready", "gauge", "Whether the container is ready",
         [](const Json& s) { return kube::BoolAt(s, "ready") ? 1.0 : 0.0; });
  number("_status_running", "gauge", "Whether the container runs",
         [](const Json& s) { return At(s, "state.running").is_object() ? 1.0 : 0.0; });
  number("_status_waiting", "gauge", "Whether the container waits",
         [](const Json& s) { return At(s, "state.waiting").is_object() ? 1.0 : 0.0; });
  number("_status_terminated", "gauge", "Whether the container has ended",
         [](const Json& s) { return At(s, "state.terminated").is_object() ? 1.0 : 0.0; });
  RenderReasons(text, group, "_status_waiting_reason", "Why the container waits",
                "state.waiting.reason", pods);
  RenderReasons(text, group, "_status_terminated_reason", "Why the container ended",
                "state.terminated.reason", pods);
  RenderReasons(text, group, "_status_last_terminated_reason", "Why the container's last run ended",
                "lastState.terminated.reason", pods);
}

void RenderResources(MetricsText& text, std::string_view family, std::string_view which,
                     const Objects& pods) {
  text.Family(family, "gauge", "What the container asks for or may use");
  for (const ObjectPtr& pod : pods) {
    for (const Json& container : At(pod->json(), "spec.containers")) {
      ForEachAmount(At(container, which),
                    [&](const std::string& resource, std::string_view unit, double value) {
                      text.Sample({{"namespace", pod->ns()},
                                   {"pod", pod->name()},
                                   {"uid", pod->uid()},
                                   {"container", StringAt(container, "name")},
                                   {"node", StringAt(pod->json(), "spec.nodeName")},
                                   {"resource", resource},
                                   {"unit", unit}},
                                  value);
                    });
    }
  }
}

void RenderStatusReasons(MetricsText& text, const Objects& pods) {
  text.Family("kube_pod_status_reason", "gauge", "Why the pod is as it is");
  for (const ObjectPtr& pod : pods) {
    for (const std::string_view reason :
         {"Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"}) {
      text.Sample(
          {{"namespace", pod->ns()}, {"pod", pod->name()}, {"uid", pod->uid()}, {"reason", reason}},
          StringAt(pod->json(), "status.reason") == reason ? 1 : 0);
    }
  }
}

// Two labels may become one name of a metric's label; the later ones get a number, as
// kube-state-metrics does it.
void RenderLabels(MetricsText& text, const Objects& pods) {
  text.Family("kube_pod_labels", "gauge", "The pod's labels");
  for (const ObjectPtr& pod : pods) {
    std::vector<std::pair<std::string, std::string>> shown = {
        {"namespace", pod->ns()}, {"pod", pod->name()}, {"uid", pod->uid()}};
    const Json& labels = At(pod->json(), "metadata.labels");
    std::map<std::string, int> seen;
    if (labels.is_object()) {
      for (const auto& [key, value] : labels.items()) {
        if (!value.is_string()) continue;
        std::string name = "label_" + key;
        std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
        if (const int before = seen[name]++; before > 0) {
          name += "_conflict" + std::to_string(before);
        }
        shown.emplace_back(std::move(name), value.get<std::string>());
      }
    }
    text.Sample(shown, 1);
  }
}

}  // namespace

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
  RenderStatusReasons(text, pods);
  RenderLabels(text, pods);
  RenderPodConditions(text, pods);
  CreatedOfEach(text, "kube_pod_created", "pod", pods);
  RenderContainers(text, {"kube_pod_container", "spec.containers", "status.containerStatuses"},
                   pods);
  RenderContainers(
      text, {"kube_pod_init_container", "spec.initContainers", "status.initContainerStatuses"},
      pods);
  RenderResources(text, "kube_pod_container_resource_requests", "resources.requests", pods);
  RenderResources(text, "kube_pod_container_resource_limits", "resources.limits", pods);
}

}  // namespace enclave::cluster
