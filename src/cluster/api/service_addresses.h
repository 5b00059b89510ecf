// The addresses of Services: cluster IPs, node ports (node_ports.h) and where a load balancer is
// reached. Each Service has its own cluster IP out of a range, the same one after it is deleted and
// made again while nobody else took it (it begins at a hash of the name).
//
// There is one node, so a Service of the type LoadBalancer is reached at its node ports there.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "cluster/api/node_ports.h"
#include "cluster/api/resource.h"

namespace enclave::cluster {

class ServiceAddresses final : public Claims {
 public:
  // "127.77.240.0/20". The first 16 addresses are only given to Services that ask for them.
  // kInvalidArgument for anything but an IPv4 range of at least 32 addresses.
  // `node_address`: where node ports are listened on, for status.loadBalancer; empty: nowhere.
  static base::Result<std::shared_ptr<ServiceAddresses>> Make(std::string_view cidr,
                                                              std::string node_address = "");

  base::Result<> Claim(kube::Json& fresh, const kube::Object* current) override;
  void Abandon(const kube::Json& fresh) override;
  void Changed(const kube::Object* before, const kube::Object* after) override;

 private:
  ServiceAddresses(std::uint32_t first, std::uint32_t size, std::string node_address)
      : first_(first), size_(size), node_address_(std::move(node_address)) {}
  // The caller holds mutex_.
  base::Result<> ClaimAddress(kube::Json& fresh, const kube::Object* current);
  void AbandonAddress(const kube::Json& fresh);
  void ShowLoadBalancer(kube::Json& fresh) const;

  const std::uint32_t first_;
  const std::uint32_t size_;
  const std::string node_address_;
  std::mutex mutex_;
  struct Holder {
    std::string service;  // "NS/NAME"
    bool committed = false;
  };
  std::map<std::uint32_t, Holder> taken_;  // by offset in the range; guarded by mutex_
  NodePorts node_ports_;                   // guarded by mutex_
};

// Dotted IPv4 to its number; nullopt when it is something else.
std::optional<std::uint32_t> ParseIpv4(std::string_view text);
std::string FormatIpv4(std::uint32_t address);

}  // namespace enclave::cluster
