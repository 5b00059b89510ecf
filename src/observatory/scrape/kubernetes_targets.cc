#include <fmt/format.h>

#include <map>

#include "observatory/scrape/kubernetes_discovery.h"

namespace enclave::observatory::scrape {
namespace {

using kube::At;
using kube::BoolAt;
using kube::IntAt;
using kube::Json;
using kube::Object;
using kube::ObjectPtr;
using kube::StringAt;
using telemetry::Labels;

constexpr std::string_view kMeta = "__meta_kubernetes_";

// A label name out of any text, as Prometheus makes it: what is not allowed becomes '_'.
std::string Sanitize(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!good) c = '_';
  }
  return name;
}

std::string Join(const std::string& host, std::int64_t port) {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

void SetMeta(Labels& labels, std::string_view name, std::string_view value) {
  labels.Set(fmt::format("{}{}", kMeta, name), value);
}

// Labels and annotations of an object as PREFIX_label_NAME, PREFIX_labelpresent_NAME, ...
void SetObjectMeta(Labels& labels, std::string_view prefix, const Object& object) {
  for (const auto& [field, word] :
       {std::pair{"metadata.labels", "label"}, std::pair{"metadata.annotations", "annotation"}}) {
    const Json& map = At(object.json(), field);
    if (!map.is_object()) continue;
    for (const auto& [key, value] : map.items()) {
      if (!value.is_string()) continue;
      const std::string name = Sanitize(key);
      SetMeta(labels, fmt::format("{}_{}_{}", prefix, word, name),
              value.get_ref<const std::string&>());
      SetMeta(labels, fmt::format("{}_{}present_{}", prefix, word, name), "true");
    }
  }
}

void ForEach(const Json& list, const std::function<void(const Json&)>& visit) {
  if (!list.is_array()) return;
  for (const Json& element : list) visit(element);
}

std::optional<Labels> NodeTarget(const Object& node) {
  Labels labels;
  SetMeta(labels, "node_name", node.name());
  SetMeta(labels, "node_provider_id", StringAt(node.json(), "spec.providerID"));
  SetObjectMeta(labels, "node", node);
  std::map<std::string, std::string> addresses;  // by type, the first of each
  ForEach(At(node.json(), "status.addresses"), [&](const Json& address) {
    addresses.emplace(StringAt(address, "type"), StringAt(address, "address"));
  });
  std::string host;
  for (const char* type :
       {"InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"}) {
    if (host.empty() && addresses.contains(type)) host = addresses[type];
  }
  if (host.empty()) return std::nullopt;
  for (const auto& [type, address] : addresses) {
    SetMeta(labels, "node_address_" + Sanitize(type), address);
  }
  const std::int64_t port =
      IntAt(node.json(), "status.daemonEndpoints.kubeletEndpoint.Port", 10250);
  labels.Set("__address__", Join(host, port == 0 ? 10250 : port));
  labels.Set("instance", node.name());
  return labels;
}

void SetPodMeta(Labels& labels, const Object& pod) {
  const Json& json = pod.json();
  SetMeta(labels, "namespace", pod.ns());
  SetMeta(labels, "pod_name", pod.name());
  SetMeta(labels, "pod_uid", pod.uid());
  SetMeta(labels, "pod_ip", StringAt(json, "status.podIP"));
  SetMeta(labels, "pod_host_ip", StringAt(json, "status.hostIP"));
  SetMeta(labels, "pod_node_name", StringAt(json, "spec.nodeName"));
  SetMeta(labels, "pod_phase", StringAt(json, "status.phase"));
  std::string ready = "unknown";
  ForEach(At(json, "status.conditions"), [&](const Json& condition) {
    if (StringAt(condition, "type") == "Ready") {
      ready = StringAt(condition, "status") == "True" ? "true" : "false";
    }
  });
  SetMeta(labels, "pod_ready", ready);
  ForEach(At(json, "metadata.ownerReferences"), [&](const Json& owner) {
    if (!BoolAt(owner, "controller")) return;
    SetMeta(labels, "pod_controller_kind", StringAt(owner, "kind"));
    SetMeta(labels, "pod_controller_name", StringAt(owner, "name"));
  });
  SetObjectMeta(labels, "pod", pod);
}

void AddPodTargets(const Object& pod, std::vector<Labels>& found) {
  const Json& json = pod.json();
  const std::string& ip = StringAt(json, "status.podIP");
  if (ip.empty()) return;  // not scheduled, or its network is not there yet
  Labels common;
  SetPodMeta(common, pod);
  const auto add_containers = [&](std::string_view field, std::string_view statuses, bool init) {
    std::map<std::string, std::string> ids;
    ForEach(At(json, statuses), [&](const Json& status) {
      ids[StringAt(status, "name")] = StringAt(status, "containerID");
    });
    ForEach(At(json, field), [&](const Json& container) {
      Labels labels = common;
      SetMeta(labels, "pod_container_name", StringAt(container, "name"));
      SetMeta(labels, "pod_container_image", StringAt(container, "image"));
      SetMeta(labels, "pod_container_id", ids[StringAt(container, "name")]);
      SetMeta(labels, "pod_container_init", init ? "true" : "false");
      const Json& ports = At(container, "ports");
      if (!ports.is_array() || ports.empty()) {
        labels.Set("__address__", ip.find(':') == std::string::npos ? ip : "[" + ip + "]");
        found.push_back(std::move(labels));
        return;
      }
      ForEach(ports, [&](const Json& port) {
        Labels of_port = labels;
        const std::int64_t number = IntAt(port, "containerPort");
        const std::string& protocol = StringAt(port, "protocol");
        of_port.Set("__address__", Join(ip, number));
        SetMeta(of_port, "pod_container_port_number", std::to_string(number));
        SetMeta(of_port, "pod_container_port_name", StringAt(port, "name"));
        SetMeta(of_port, "pod_container_port_protocol", protocol.empty() ? "TCP" : protocol);
        found.push_back(std::move(of_port));
      });
    });
  };
  add_containers("spec.containers", "status.containerStatuses", false);
  add_containers("spec.initContainers", "status.initContainerStatuses", true);
}

void SetServiceMeta(Labels& labels, const Object& service) {
  SetMeta(labels, "namespace", service.ns());
  SetMeta(labels, "service_name", service.name());
  SetObjectMeta(labels, "service", service);
}

void AddServiceTargets(const Object& service, std::vector<Labels>& found) {
  const Json& json = service.json();
  Labels common;
  SetServiceMeta(common, service);
  const std::string& type = StringAt(json, "spec.type");
  SetMeta(common, "service_type", type.empty() ? "ClusterIP" : type);
  if (type == "ExternalName") {
    SetMeta(common, "service_external_name", StringAt(json, "spec.externalName"));
  } else {
    SetMeta(common, "service_cluster_ip", StringAt(json, "spec.clusterIP"));
  }
  ForEach(At(json, "spec.ports"), [&](const Json& port) {
    Labels labels = common;
    const std::int64_t number = IntAt(port, "port");
    const std::string& protocol = StringAt(port, "protocol");
    labels.Set("__address__", Join(fmt::format("{}.{}.svc", service.name(), service.ns()), number));
    SetMeta(labels, "service_port_name", StringAt(port, "name"));
    SetMeta(labels, "service_port_number", std::to_string(number));
    SetMeta(labels, "service_port_protocol", protocol.empty() ? "TCP" : protocol);
    found.push_back(std::move(labels));
  });
}

using ByName = std::map<std::pair<std::string, std::string>, ObjectPtr>;

ByName Indexed(const std::vector<ObjectPtr>& objects) {
  ByName by_name;
  for (const ObjectPtr& object : objects) by_name[{object->ns(), object->name()}] = object;
  return by_name;
}

// `prefix`: "endpoints" or "endpointslice", whose labels differ in name alone.
void AddEndpointTargets(const Object& slice, bool as_slice, const ByName& services,
                        const ByName& pods, std::vector<Labels>& found) {
  const Json& json = slice.json();
  const std::string prefix = as_slice ? "endpointslice" : "endpoint";
  const Json& owner = At(json, "metadata.labels");
  const auto owner_name =
      owner.is_object() ? owner.find("kubernetes.io/service-name") : owner.end();
  const std::string service_name =
      owner.is_object() && owner_name != owner.end() && owner_name->is_string()
          ? owner_name->get<std::string>()
          : std::string();
  Labels common;
  SetMeta(common, "namespace", slice.ns());
  if (as_slice) {
    SetMeta(common, "endpointslice_name", slice.name());
    SetMeta(common, "endpointslice_address_type", StringAt(json, "addressType"));
    SetObjectMeta(common, "endpointslice", slice);
  } else {
    SetMeta(common, "endpoints_name", service_name.empty() ? slice.name() : service_name);
  }
  if (const auto service = services.find({slice.ns(), service_name}); service != services.end()) {
    SetServiceMeta(common, *service->second);
  }
  ForEach(At(json, "endpoints"), [&](const Json& endpoint) {
    Labels of_endpoint = common;
    const Json& ready = At(endpoint, "conditions.ready");
    SetMeta(of_endpoint, prefix + (as_slice ? "_endpoint_conditions_ready" : "_ready"),
            ready.is_boolean() && !ready.get<bool>() ? "false" : "true");
    SetMeta(of_endpoint, prefix + (as_slice ? "_endpoint_node_name" : "_node_name"),
            StringAt(endpoint, "nodeName"));
    SetMeta(of_endpoint, prefix + "_address_target_kind", StringAt(endpoint, "targetRef.kind"));
    SetMeta(of_endpoint, prefix + "_address_target_name", StringAt(endpoint, "targetRef.name"));
    if (StringAt(endpoint, "targetRef.kind") == "Pod") {
      const auto pod = pods.find({slice.ns(), StringAt(endpoint, "targetRef.name")});
      if (pod != pods.end()) SetPodMeta(of_endpoint, *pod->second);
    }
    ForEach(At(endpoint, "addresses"), [&](const Json& address) {
      if (!address.is_string()) return;
      ForEach(At(json, "ports"), [&](const Json& port) {
        Labels labels = of_endpoint;
        const std::int64_t number = IntAt(port, "port");
        labels.Set("__address__", Join(address.get<std::string>(), number));
        if (as_slice) SetMeta(labels, prefix + "_port", std::to_string(number));
        SetMeta(labels, prefix + "_port_name", StringAt(port, "name"));
        SetMeta(labels, prefix + "_port_protocol", StringAt(port, "protocol"));
        found.push_back(std::move(labels));
      });
    });
  });
}

}  // namespace

std::vector<Labels> DiscoverTargets(KubernetesRole role, const KubernetesObjects& objects) {
  std::vector<Labels> found;
  switch (role) {
    case KubernetesRole::kNode:
      for (const ObjectPtr& node : objects.nodes) {
        if (auto labels = NodeTarget(*node)) found.push_back(std::move(*labels));
      }
      break;
    case KubernetesRole::kPod:
      for (const ObjectPtr& pod : objects.pods) AddPodTargets(*pod, found);
      break;
    case KubernetesRole::kService:
      for (const ObjectPtr& service : objects.services) AddServiceTargets(*service, found);
      break;
    case KubernetesRole::kEndpoints:
    case KubernetesRole::kEndpointSlice: {
      const ByName services = Indexed(objects.services);
      const ByName pods = Indexed(objects.pods);
      for (const ObjectPtr& slice : objects.endpoint_slices) {
        AddEndpointTargets(*slice, role == KubernetesRole::kEndpointSlice, services, pods, found);
      }
      break;
    }
  }
  return found;
}

}  // namespace enclave::observatory::scrape
