// Services and what stands behind them: Endpoints and EndpointSlices.
#include <fmt/format.h>

#include <array>
#include <set>

#include "cluster/api/columns.h"
#include "cluster/api/registry.h"
#include "cluster/api/service_addresses.h"
#include "cluster/api/subresources.h"
#include "kube/names.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::IntAt;
using kube::Json;
using kube::StringAt;

constexpr std::array<std::string_view, 4> kServiceTypes = {"ClusterIP", "ExternalName",
                                                           "LoadBalancer", "NodePort"};
constexpr std::array<std::string_view, 3> kServiceProtocols = {"SCTP", "TCP", "UDP"};
constexpr std::array<std::string_view, 2> kAffinities = {"ClientIP", "None"};

void ServiceDefaults(Json& service) {
  if (!service.contains("spec") || !service["spec"].is_object()) return;
  Json& spec = service["spec"];
  SetDefault(spec, "type", "ClusterIP");
  SetDefault(spec, "sessionAffinity", "None");
  if (spec["sessionAffinity"] == "ClientIP") {
    SetDefault(spec, "sessionAffinityConfig", {{"clientIP", {{"timeoutSeconds", 10800}}}});
  }
  if (spec["type"] == "ExternalName") return;
  SetDefault(spec, "internalTrafficPolicy", "Cluster");
  SetDefault(spec, "ipFamilies", Json::array({"IPv4"}));
  SetDefault(spec, "ipFamilyPolicy", "SingleStack");
  if (spec["type"] != "ClusterIP") SetDefault(spec, "externalTrafficPolicy", "Cluster");
  if (spec["type"] == "LoadBalancer") SetDefault(spec, "allocateLoadBalancerNodePorts", true);
  if (spec.contains("ports")) {
    for (Json& port : spec["ports"]) {
      SetDefault(port, "protocol", "TCP");
      if (port.contains("port")) SetDefault(port, "targetPort", port["port"]);
    }
  }
  // The singular and the plural field say the same.
  if (spec.contains("clusterIP") && !spec.contains("clusterIPs")) {
    spec["clusterIPs"] = Json::array({spec["clusterIP"]});
  } else if (spec.contains("clusterIPs") && !spec.contains("clusterIP")) {
    spec["clusterIP"] = spec["clusterIPs"][0];
  }
}

std::set<std::int64_t> AllNodePorts(const Json& service) {
  std::set<std::int64_t> ports;
  for (const Json& port : At(service, "spec.ports")) ports.insert(IntAt(port, "nodePort"));
  ports.erase(0);
  return ports;
}

// Ports that an update leaves without a node port keep the one that a port of their name had.
void KeepNodePorts(Json& fresh, const Json& current) {
  const std::set<std::int64_t> stated = AllNodePorts(fresh);
  const std::set<std::int64_t> had = AllNodePorts(current);
  for (Json& port : fresh["spec"]["ports"]) {
    if (IntAt(port, "nodePort") != 0) continue;
    for (const Json& old : At(current, "spec.ports")) {
      const std::int64_t number = IntAt(old, "nodePort");
      if (StringAt(old, "name") != StringAt(port, "name") || number == 0) continue;
      if (!stated.contains(number)) port["nodePort"] = number;
    }
  }
}

// What only another type has goes with it, unless the update says it anew
// (dropTypeDependentFields of k8s.io/kubernetes/pkg/registry/core/service).
void DropOtherTypes(Json& fresh, const Json& current) {
  Json& spec = fresh["spec"];
  const std::string type = StringAt(spec, "type");
  const auto drop = [&](const char* field) {
    if (spec.contains(field) && spec[field] == At(current, std::string("spec.") + field)) {
      spec.erase(field);
    }
  };
  if (type != "LoadBalancer") drop("allocateLoadBalancerNodePorts");
  if (type != "LoadBalancer" && type != "NodePort") drop("externalTrafficPolicy");
  if (!NeedsNodePorts(fresh) && NeedsNodePorts(current) && spec.contains("ports") &&
      AllNodePorts(fresh) == AllNodePorts(current)) {
    for (Json& port : spec["ports"]) port.erase("nodePort");
  }
}

// An update that leaves out what was allocated keeps it.
void KeepAllocated(Json& fresh, const Json& current, const WriteContext&) {
  if (!fresh.contains("spec") || !fresh["spec"].is_object()) return;
  DropOtherTypes(fresh, current);
  if (NeedsNodePorts(fresh) && NeedsNodePorts(current) && fresh["spec"].contains("ports")) {
    KeepNodePorts(fresh, current);
  }
  if (StringAt(fresh, "spec.type") == "ExternalName") return;
  if (StringAt(fresh, "spec.clusterIP").empty() && !StringAt(current, "spec.clusterIP").empty()) {
    fresh["spec"]["clusterIP"] = At(current, "spec.clusterIP");
    fresh["spec"]["clusterIPs"] = At(current, "spec.clusterIPs");
  }
}

void ValidateServicePorts(const Json& service, FieldErrors& errors) {
  const Json& spec = At(service, "spec");
  const std::string& type = StringAt(spec, "type");
  const Json& ports = At(spec, "ports");
  const std::size_t count = ports.is_array() ? ports.size() : 0;
  std::set<std::string> names;
  std::set<std::pair<std::int64_t, std::string>> numbers;
  std::set<std::pair<std::int64_t, std::string>> node_ports;
  for (std::size_t i = 0; i < count; ++i) {
    const Json& port = ports[i];
    const std::string at = Indexed("spec.ports", i);
    const std::string& name = StringAt(port, "name");
    if (name.empty()) {
      if (count > 1) errors.Required(at + ".name");
    } else {
      errors.Check(at + ".name", name, kube::ValidateDns1123Label(name));
      if (!names.insert(name).second) errors.Duplicate(at + ".name", name);
    }
    const std::int64_t number = IntAt(port, "port");
    if (At(port, "port").is_null()) {
      errors.Required(at + ".port");
    } else if (number < 1 || number > 65535) {
      errors.Invalid(at + ".port", number, "must be between 1 and 65535, inclusive");
    }
    const std::string& protocol = StringAt(port, "protocol");
    if (std::ranges::find(kServiceProtocols, protocol) == kServiceProtocols.end()) {
      errors.NotSupported(at + ".protocol", protocol, kServiceProtocols);
    }
    if (!numbers.insert({number, protocol}).second) errors.Duplicate(at, port);
    if (const std::int64_t node_port = IntAt(port, "nodePort"); node_port != 0) {
      if (type != "NodePort" && type != "LoadBalancer") {
        errors.Forbidden(at + ".nodePort",
                         fmt::format("may not be used when `type` is '{}'", type));
      } else if (!node_ports.insert({node_port, protocol}).second) {
        errors.Duplicate(at + ".nodePort", node_port);
      }
    }
    const Json& target = At(port, "targetPort");
    if (target.is_string()) {
      errors.Check(at + ".targetPort", target,
                   kube::ValidatePortName(target.get_ref<const std::string&>()));
    } else if (target.is_number_integer() && (target < 1 || target > 65535)) {
      errors.Invalid(at + ".targetPort", target, "must be between 1 and 65535, inclusive");
    }
  }
}

void ValidateService(const Json& service, FieldErrors& errors) {
  const Json& spec = At(service, "spec");
  if (!spec.is_object()) {
    errors.Required("spec");
    return;
  }
  const std::string& type = StringAt(spec, "type");
  if (std::ranges::find(kServiceTypes, type) == kServiceTypes.end()) {
    errors.NotSupported("spec.type", type, kServiceTypes);
  }
  const std::string& affinity = StringAt(spec, "sessionAffinity");
  if (std::ranges::find(kAffinities, affinity) == kAffinities.end()) {
    errors.NotSupported("spec.sessionAffinity", affinity, kAffinities);
  }
  const std::string& ip = StringAt(spec, "clusterIP");
  const Json& ports = At(spec, "ports");
  if (type == "ExternalName") {
    if (StringAt(spec, "externalName").empty()) errors.Required("spec.externalName");
    if (!ip.empty()) {
      errors.Forbidden("spec.clusterIPs[0]", "may not be set when `type` is 'ExternalName'");
    }
  } else if ((!ports.is_array() || ports.empty()) && ip != "None") {
    errors.Required("spec.ports");
  }
  if (!ip.empty() && ip != "None" && !ParseIpv4(ip)) {
    errors.Invalid("spec.clusterIPs[0]", ip, "must be a valid IP address, (e.g. 10.9.8.7)");
  }
  errors.Check("spec.selector", At(spec, "selector"), kube::ValidateLabels(At(spec, "selector")));
  if (ip == "None" && (type == "NodePort" || type == "LoadBalancer")) {
    errors.Invalid("spec.clusterIPs[0]", ip,
                   fmt::format("may not be set to 'None' for {} services", type));
  }
  ValidateServicePorts(service, errors);
}

void ValidateServiceUpdate(const Json& fresh, const Json& current, FieldErrors& errors) {
  const std::string& before = StringAt(current, "spec.clusterIP");
  const std::string& after = StringAt(fresh, "spec.clusterIP");
  if (!before.empty() && before != after && StringAt(fresh, "spec.type") != "ExternalName") {
    errors.Invalid("spec.clusterIPs[0]", Json::array({after}), "may not change once set");
  }
}

Json PortsCell(const Json& service) {
  std::string text;
  for (const Json& port : At(service, "spec.ports")) {
    if (!text.empty()) text += ',';
    text += std::to_string(IntAt(port, "port"));
    if (const std::int64_t node = IntAt(port, "nodePort"); node != 0) {
      text += fmt::format(":{}", node);
    }
    text += "/" + StringAt(port, "protocol");
  }
  return text.empty() ? "<none>" : text;
}

Json ExternalIpCell(const Json& service) {
  const std::string& type = StringAt(service, "spec.type");
  if (type == "ExternalName") return StringAt(service, "spec.externalName");
  std::string text;
  for (const Json& ip : At(service, "spec.externalIPs")) {
    if (!ip.is_string()) continue;
    if (!text.empty()) text += ',';
    text += ip.get_ref<const std::string&>();
  }
  if (type == "LoadBalancer") {
    for (const Json& ingress : At(service, "status.loadBalancer.ingress")) {
      if (!text.empty()) text += ',';
      text += StringAt(ingress, "ip");
    }
  }
  if (!text.empty()) return text;
  return type == "LoadBalancer" ? "<pending>" : "<none>";
}

Json PlainSelectorCell(const Json& service) {
  std::string text;
  const Json& selector = At(service, "spec.selector");
  if (selector.is_object()) {
    for (const auto& [key, value] : selector.items()) {
      if (!value.is_string()) continue;
      if (!text.empty()) text += ',';
      text += key + "=" + value.get_ref<const std::string&>();
    }
  }
  return text.empty() ? "<none>" : text;
}

// "10.0.0.1:80,10.0.0.2:80 + 3 more..." (printEndpoints).
Json EndpointsCell(const Json& endpoints) {
  constexpr int kShown = 3;
  std::string text;
  int count = 0;
  const auto add = [&](const std::string& one) {
    if (++count > kShown) return;
    if (!text.empty()) text += ',';
    text += one;
  };
  for (const Json& subset : At(endpoints, "subsets")) {
    const Json& ports = At(subset, "ports");
    if (!ports.is_array() || ports.empty()) {
      for (const Json& address : At(subset, "addresses")) add(StringAt(address, "ip"));
      continue;
    }
    for (const Json& port : ports) {
      for (const Json& address : At(subset, "addresses")) {
        add(fmt::format("{}:{}", StringAt(address, "ip"), IntAt(port, "port")));
      }
    }
  }
  if (count > kShown) text += fmt::format(" + {} more...", count - kShown);
  return text.empty() ? "<none>" : text;
}

Json SlicePortsCell(const Json& slice) {
  std::string text;
  for (const Json& port : At(slice, "ports")) {
    if (!text.empty()) text += ',';
    text += At(port, "port").is_null() ? "*" : std::to_string(IntAt(port, "port"));
  }
  return text.empty() ? "<unset>" : text;
}

Json SliceEndpointsCell(const Json& slice) {
  constexpr int kShown = 3;
  std::string text;
  int count = 0;
  for (const Json& endpoint : At(slice, "endpoints")) {
    for (const Json& address : At(endpoint, "addresses")) {
      if (!address.is_string() || ++count > kShown) continue;
      if (!text.empty()) text += ',';
      text += address.get_ref<const std::string&>();
    }
  }
  if (count > kShown) text += fmt::format(" + {} more...", count - kShown);
  return text.empty() ? "<unset>" : text;
}

void ValidateEndpoints(const Json& endpoints, FieldErrors& errors) {
  std::size_t index = 0;
  for (const Json& subset : At(endpoints, "subsets")) {
    const std::string at = Indexed("subsets", index++);
    for (const char* list : {"addresses", "notReadyAddresses"}) {
      std::size_t address_index = 0;
      for (const Json& address : At(subset, list)) {
        const std::string& ip = StringAt(address, "ip");
        const std::string field = Indexed(fmt::format("{}.{}", at, list), address_index++) + ".ip";
        if (!ParseIpv4(ip)) errors.Invalid(field, ip, "must be a valid IP address");
      }
    }
  }
}

void ValidateSlice(const Json& slice, FieldErrors& errors) {
  static constexpr std::array<std::string_view, 3> kTypes = {"FQDN", "IPv4", "IPv6"};
  const std::string& type = StringAt(slice, "addressType");
  if (type.empty()) {
    errors.Required("addressType");
  } else if (std::ranges::find(kTypes, type) == kTypes.end()) {
    errors.NotSupported("addressType", type, kTypes);
  }
  std::size_t index = 0;
  for (const Json& endpoint : At(slice, "endpoints")) {
    const std::string at = Indexed("endpoints", index++) + ".addresses";
    const Json& addresses = At(endpoint, "addresses");
    if (!addresses.is_array() || addresses.empty()) {
      errors.Required(at, "must contain at least 1 address");
    }
  }
}

void ValidateSliceUpdate(const Json& fresh, const Json& current, FieldErrors& errors) {
  if (At(fresh, "addressType") != At(current, "addressType")) {
    errors.Invalid("addressType", At(fresh, "addressType"), "field is immutable");
  }
}

}  // namespace

void AddServiceResources(Registry& registry) {
  Resource services;
  services.kind = kube::kService;
  services.singular = "service";
  services.short_names = {"svc"};
  services.categories = {"all"};
  services.schema = "Service";
  services.selectable_fields = {"spec.clusterIP", "spec.type"};
  services.columns = {
      NameColumn(),
      PathColumn("Type", "spec.type"),
      PathColumn("Cluster-IP", "spec.clusterIP", "string", 0, "<none>"),
      ComputedColumn("External-IP", "string", 0, ExternalIpCell),
      ComputedColumn("Port(s)", "string", 0, PortsCell),
      AgeColumn(),
      ComputedColumn("Selector", "string", kWide, PlainSelectorCell),
  };
  services.has_status = true;
  services.subresources = {StatusSubresource()};
  services.set_defaults = ServiceDefaults;
  services.prepare_create = [](Json& service, const WriteContext&) {
    service["status"] = {{"loadBalancer", Json::object()}};
  };
  services.prepare_update = KeepAllocated;
  services.validate = ValidateService;
  services.validate_update = ValidateServiceUpdate;
  services.validate_name = kube::ValidateDns1035Label;
  registry.Add(std::move(services));

  Resource endpoints;
  endpoints.kind = kube::kEndpoints;
  endpoints.singular = "endpoints";
  endpoints.short_names = {"ep"};
  endpoints.schema = "Endpoints";
  endpoints.columns = {NameColumn(), ComputedColumn("Endpoints", "string", 0, EndpointsCell),
                       AgeColumn()};
  endpoints.set_defaults = [](Json& object) {
    if (!object.contains("subsets") || !object["subsets"].is_array()) return;
    for (Json& subset : object["subsets"]) {
      if (!subset.is_object() || !subset.contains("ports")) continue;
      for (Json& port : subset["ports"]) SetDefault(port, "protocol", "TCP");
    }
  };
  endpoints.validate = ValidateEndpoints;
  registry.Add(std::move(endpoints));

  Resource slices;
  slices.kind = kube::kEndpointSlice;
  slices.singular = "endpointslice";
  slices.schema = "EndpointSlice";
  slices.columns = {NameColumn(), PathColumn("AddressType", "addressType"),
                    ComputedColumn("Ports", "string", 0, SlicePortsCell),
                    ComputedColumn("Endpoints", "string", 0, SliceEndpointsCell), AgeColumn()};
  slices.set_defaults = [](Json& object) {
    if (!object.contains("endpoints")) object["endpoints"] = Json::array();
    if (!object.contains("ports") || !object["ports"].is_array()) return;
    for (Json& port : object["ports"]) {
      SetDefault(port, "name", "");
      SetDefault(port, "protocol", "TCP");
    }
  };
  slices.validate = ValidateSlice;
  slices.validate_update = ValidateSliceUpdate;
  registry.Add(std::move(slices));
}

}  // namespace enclave::cluster
