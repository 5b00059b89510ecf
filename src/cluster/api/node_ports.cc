#include "cluster/api/node_ports.h"

#include <fmt/format.h>

#include <set>

#include "kube/hash.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;
using kube::StringAt;

std::string HolderNameOf(const Json& service) {
  return StringAt(service, "metadata.namespace") + "/" + StringAt(service, "metadata.name");
}

std::set<std::int64_t> NodePortsOf(const Json* service) {
  std::set<std::int64_t> ports;
  if (service == nullptr) return ports;
  for (const Json& port : kube::At(*service, "spec.ports")) {
    if (const std::int64_t number = kube::IntAt(port, "nodePort"); number != 0) {
      ports.insert(number);
    }
  }
  return ports;
}

std::unexpected<base::Error> RefusePort(const Json& service, std::size_t index, std::int64_t number,
                                        std::string_view why) {
  return base::Fail(ErrorKind::kUnprocessable,
                    fmt::format("Service \"{}\" is invalid: spec.ports[{}].nodePort: Invalid "
                                "value: {}: {}",
                                StringAt(service, "metadata.name"), index, number, why));
}

}  // namespace

bool NeedsNodePorts(const Json& service) {
  const std::string& type = StringAt(service, "spec.type");
  return type == "NodePort" || (type == "LoadBalancer" &&
                                kube::BoolAt(service, "spec.allocateLoadBalancerNodePorts", true));
}

base::Result<> NodePorts::Claim(Json& fresh) {
  auto done = Allocate(fresh, HolderNameOf(fresh));
  if (!done) Abandon(fresh);
  return done;
}

base::Result<> NodePorts::Allocate(Json& fresh, const std::string& service) {
  const Json& asked = kube::At(fresh, "spec.ports");
  const std::size_t count = asked.is_array() ? asked.size() : 0;
  // Those that are asked for first, so that none of them is given away.
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t number = kube::IntAt(asked[i], "nodePort");
    if (number == 0) continue;
    if (number < kFirst || number > kLast) {
      return RefusePort(fresh, i, number,
                        fmt::format("provided port is not in the valid range. The range of valid "
                                    "ports is {}-{}",
                                    kFirst, kLast));
    }
    const auto [it, free] = taken_.try_emplace(number, Holder{service, false});
    if (!free && it->second.service != service) {
      return RefusePort(fresh, i, number, "provided port is already allocated");
    }
  }
  if (!NeedsNodePorts(fresh)) return {};
  constexpr std::int64_t kCount = kLast - kFirst + 1;
  for (std::size_t i = 0; i < count; ++i) {
    Json& port = fresh["spec"]["ports"][i];
    if (kube::IntAt(port, "nodePort") != 0) continue;
    const std::int64_t start =
        kube::Fnv1a32(fmt::format("{}:{}", service, StringAt(port, "name"))) % kCount;
    std::int64_t tries = 0;
    for (; tries < kCount; ++tries) {
      const std::int64_t number = kFirst + (start + tries) % kCount;
      if (!taken_.try_emplace(number, Holder{service, false}).second) continue;
      port["nodePort"] = number;
      break;
    }
    if (tries == kCount) {
      return base::Fail(ErrorKind::kResourceExhausted, "no node port is left in the range");
    }
  }
  return {};
}

void NodePorts::Abandon(const Json& fresh) {
  const std::string service = HolderNameOf(fresh);
  for (const std::int64_t number : NodePortsOf(&fresh)) {
    const auto found = taken_.find(number);
    if (found != taken_.end() && !found->second.committed && found->second.service == service) {
      taken_.erase(found);
    }
  }
}

void NodePorts::Changed(const Json* before, const Json* after) {
  const std::set<std::int64_t> kept = NodePortsOf(after);
  for (const std::int64_t number : NodePortsOf(before)) {
    if (kept.contains(number)) continue;
    const auto found = taken_.find(number);
    if (found != taken_.end() && found->second.service == HolderNameOf(*before)) {
      taken_.erase(found);
    }
  }
  for (const std::int64_t number : kept) taken_[number] = Holder{HolderNameOf(*after), true};
}

}  // namespace enclave::cluster
