#include "cluster/kubelet/service_endpoints.h"

#include <algorithm>

namespace enclave::cluster {
namespace {

using kube::Json;

const std::string& Label(const kube::Object& object, const char* name) {
  static const std::string none;
  const Json& labels = kube::At(object.json(), "metadata.labels");
  if (!labels.is_object()) return none;
  auto found = labels.find(name);
  return found != labels.end() && found->is_string() ? found->get_ref<const std::string&>() : none;
}

std::uint16_t Port(const Json& value, const char* path) {
  std::int64_t port = kube::IntAt(value, path);
  return port > 0 && port <= 65535 ? static_cast<std::uint16_t>(port) : 0;
}

bool Tcp(const Json& port) {
  const std::string& protocol = kube::StringAt(port, "protocol");
  return protocol.empty() || protocol == "TCP";
}

void SortUnique(std::vector<EndpointAddress>* addresses) {
  std::sort(addresses->begin(), addresses->end());
  addresses->erase(std::unique(addresses->begin(), addresses->end()), addresses->end());
}

// Adds the endpoints of one slice that `wanted` takes.
template <typename Wanted>
void Collect(const Json& slice, std::uint16_t port, Wanted wanted,
             std::vector<EndpointAddress>* into) {
  const Json& endpoints = kube::At(slice, "endpoints");
  if (!endpoints.is_array()) return;
  for (const Json& endpoint : endpoints) {
    const Json& conditions = kube::At(endpoint, "conditions");
    if (!wanted(conditions)) continue;
    const Json& addresses = kube::At(endpoint, "addresses");
    if (!addresses.is_array()) continue;
    for (const Json& address : addresses) {
      if (!address.is_string()) continue;
      into->push_back({address.get<std::string>(), kube::StringAt(endpoint, "hostname"), port});
    }
  }
}

}  // namespace

ServiceView ViewService(const kube::Object& service, const std::vector<kube::ObjectPtr>& slices) {
  const Json& json = service.json();
  ServiceView view;
  view.ns = service.ns();
  view.name = service.name();
  const std::string& cluster_ip = kube::StringAt(json, "spec.clusterIP");
  view.headless = cluster_ip == "None";
  bool alias = kube::StringAt(json, "spec.type") == "ExternalName";
  if (!view.headless && !alias) view.cluster_ip = cluster_ip;
  view.client_affinity = kube::StringAt(json, "spec.sessionAffinity") == "ClientIP";
  for (const Json& ingress : kube::At(json, "status.loadBalancer.ingress")) {
    const std::string& ip = kube::StringAt(ingress, "ip");
    if (!ip.empty()) view.ingress_ips.push_back(ip);
  }
  bool publish_all = kube::BoolAt(json, "spec.publishNotReadyAddresses");

  auto ready = [&](const Json& conditions) {
    return publish_all || kube::BoolAt(conditions, "ready", true);
  };
  auto draining = [](const Json& conditions) {
    return kube::BoolAt(conditions, "serving", false) &&
           kube::BoolAt(conditions, "terminating", false);
  };
  std::vector<const Json*> own;
  for (const kube::ObjectPtr& slice : slices) {
    if (slice->ns() == view.ns && Label(*slice, "kubernetes.io/service-name") == view.name) {
      own.push_back(&slice->json());
    }
  }
  for (const Json* slice : own) Collect(*slice, 0, ready, &view.addresses);
  SortUnique(&view.addresses);

  const Json& ports = kube::At(json, "spec.ports");
  if (alias || !ports.is_array()) return view;
  for (const Json& port : ports) {
    if (!Tcp(port)) continue;
    ServicePort out;
    out.name = kube::StringAt(port, "name");
    out.port = Port(port, "port");
    out.node_port = Port(port, "nodePort");
    if (out.port == 0) continue;
    auto collect = [&](auto wanted) {
      for (const Json* slice : own) {
        const Json& slice_ports = kube::At(*slice, "ports");
        if (!slice_ports.is_array()) continue;
        for (const Json& slice_port : slice_ports) {
          std::uint16_t number = Port(slice_port, "port");
          if (number == 0 || !Tcp(slice_port)) continue;
          if (kube::StringAt(slice_port, "name") != out.name) continue;
          Collect(*slice, number, wanted, &out.endpoints);
        }
      }
    };
    collect(ready);
    if (out.endpoints.empty()) collect(draining);
    SortUnique(&out.endpoints);
    view.tcp_ports.push_back(std::move(out));
  }
  return view;
}

}  // namespace enclave::cluster
