// What Services and EndpointSlices say, in the shape that proxy and hosts files need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kube/object.h"

namespace enclave::cluster {

struct EndpointAddress {
  std::string address;
  std::string hostname;  // of a pod with a stable name of its own; else empty
  std::uint16_t port = 0;
  auto operator<=>(const EndpointAddress&) const = default;
};

struct ServicePort {
  std::string name;
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;             // 0: none
  std::vector<EndpointAddress> endpoints;  // sorted; the ones that connections may go to
};

struct ServiceView {
  std::string ns;
  std::string name;
  std::string cluster_ip;  // "" for headless ones and aliases
  bool headless = false;
  bool client_affinity = false;
  std::vector<ServicePort> tcp_ports;
  std::vector<std::string> ingress_ips;    // the addresses of its load balancer
  std::vector<EndpointAddress> addresses;  // all of them, without ports; for names of headless ones
};

// `slices` may hold those of other services: only the service's own are looked at. Not-ready
// endpoints are left out unless the service publishes them; when none is ready, those that still
// serve while they terminate are taken (as kube-proxy does).
ServiceView ViewService(const kube::Object& service, const std::vector<kube::ObjectPtr>& slices);

}  // namespace enclave::cluster
