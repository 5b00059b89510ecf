#include "cluster/controllers/service_endpoints.h"

#include <algorithm>
#include <optional>

#include "cluster/controllers/objects.h"
#include "kube/selector.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::StringAt;

const std::string& ProtocolOf(const Json& port) {
  static const std::string kTcp = "TCP";
  const std::string& protocol = StringAt(port, "protocol");
  return protocol.empty() ? kTcp : protocol;
}

std::optional<std::int64_t> TargetPort(const Json& service_port, const Json& pod) {
  const Json& target = At(service_port, "targetPort");
  if (target.is_null()) return IntAt(service_port, "port");
  if (target.is_number_integer()) {
    const std::int64_t number = IntAt(service_port, "targetPort");
    return number > 0 ? number : IntAt(service_port, "port");
  }
  for (const char* list : {"spec.containers", "spec.initContainers"}) {
    for (const Json& container : ItemsAt(pod, list)) {
      // Of the init containers only sidecars live as long as the pod.
      if (std::string_view(list) == "spec.initContainers" &&
          StringAt(container, "restartPolicy") != "Always") {
        continue;
      }
      for (const Json& port : ItemsAt(container, "ports")) {
        if (target == StringAt(port, "name") && ProtocolOf(port) == ProtocolOf(service_port)) {
          return IntAt(port, "containerPort");
        }
      }
    }
  }
  return std::nullopt;
}

Json PortsFor(const Json& service, const Json& pod) {
  Json ports = Json::array();
  for (const Json& service_port : ItemsAt(service, "spec.ports")) {
    const auto number = TargetPort(service_port, pod);
    if (!number) continue;
    Json port{{"port", *number}, {"protocol", ProtocolOf(service_port)}};
    const std::string& name = StringAt(service_port, "name");
    if (!name.empty()) port["name"] = name;
    const std::string& app_protocol = StringAt(service_port, "appProtocol");
    if (!app_protocol.empty()) port["appProtocol"] = app_protocol;
    ports.push_back(std::move(port));
  }
  std::sort(ports.begin(), ports.end());
  return ports;
}

}  // namespace

bool HasManagedEndpoints(const Json& service) {
  const Json& selector = At(service, "spec.selector");
  return selector.is_object() && !selector.empty() &&
         StringAt(service, "spec.type") != "ExternalName";
}

bool PublishesNotReady(const Json& service) {
  return kube::BoolAt(service, "spec.publishNotReadyAddresses") ||
         AnnotationOf(service, "service.alpha.kubernetes.io/tolerate-unready-endpoints") == "true";
}

bool IsHeadless(const Json& service) {
  return StringAt(service, "spec.clusterIP") == "None";
}

std::vector<ServiceEndpoint> EndpointsOf(const Json& service,
                                         const std::vector<kube::ObjectPtr>& pods_of_namespace) {
  const auto selector = kube::LabelSelector::FromMap(At(service, "spec.selector"));
  const bool publish_not_ready = PublishesNotReady(service);
  const bool has_ports = !ItemsAt(service, "spec.ports").empty();
  std::vector<ServiceEndpoint> endpoints;
  for (const kube::ObjectPtr& pod : pods_of_namespace) {
    const Json& json = pod->json();
    const std::string& ip = StringAt(json, "status.podIP");
    if (ip.empty() || PodTerminal(json) || !selector.Matches(At(json, "metadata.labels"))) continue;
    ServiceEndpoint endpoint;
    endpoint.ports = PortsFor(service, json);
    if (has_ports && endpoint.ports.empty()) continue;
    endpoint.ip = ip;
    endpoint.serving = PodReady(json);
    endpoint.terminating = pod->deleting();
    endpoint.ready = publish_not_ready || (endpoint.serving && !endpoint.terminating);
    endpoint.node = StringAt(json, "spec.nodeName");
    if (StringAt(json, "spec.subdomain") == StringAt(service, "metadata.name")) {
      endpoint.hostname = StringAt(json, "spec.hostname");
    }
    endpoint.pod_uid = pod->uid();
    endpoint.target =
        Json{{"kind", "Pod"}, {"namespace", pod->ns()}, {"name", pod->name()}, {"uid", pod->uid()}};
    endpoints.push_back(std::move(endpoint));
  }
  std::ranges::sort(endpoints, [](const ServiceEndpoint& a, const ServiceEndpoint& b) {
    return a.ip != b.ip ? a.ip < b.ip : a.pod_uid < b.pod_uid;
  });
  return endpoints;
}

bool EndpointChanged(const kube::Object& before, const kube::Object& after) {
  const Json& a = before.json();
  const Json& b = after.json();
  return before.uid() != after.uid() || before.deleting() != after.deleting() ||
         PodReady(a) != PodReady(b) || PodTerminal(a) != PodTerminal(b) ||
         StringAt(a, "status.podIP") != StringAt(b, "status.podIP") ||
         StringAt(a, "spec.nodeName") != StringAt(b, "spec.nodeName") ||
         At(a, "metadata.labels") != At(b, "metadata.labels");
}

}  // namespace enclave::cluster
