// The cluster IPs of Services: each Service has its own out of a range, the same one after it is
// deleted and made again while nobody else took it (it begins at a hash of the name).
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "cluster/api/resource.h"

namespace enclave::cluster {

class ServiceAddresses final : public Claims {
 public:
  // "127.77.240.0/20". The first 16 addresses are only given to Services that ask for them.
  // kInvalidArgument for anything but an IPv4 range of at least 32 addresses.
  static base::Result<std::shared_ptr<ServiceAddresses>> Make(std::string_view cidr);

  base::Result<> Claim(kube::Json& fresh, const kube::Object* current) override;
  void Abandon(const kube::Json& fresh) override;
  void Changed(const kube::Object* before, const kube::Object* after) override;

 private:
  ServiceAddresses(std::uint32_t first, std::uint32_t size) : first_(first), size_(size) {}

  const std::uint32_t first_;
  const std::uint32_t size_;
  std::mutex mutex_;
  struct Holder {
    std::string service;  // "NS/NAME"
    bool committed = false;
  };
  std::map<std::uint32_t, Holder> taken_;  // by offset in the range
};

// Dotted IPv4 to its number; nullopt when it is something else.
std::optional<std::uint32_t> ParseIpv4(std::string_view text);
std::string FormatIpv4(std::uint32_t address);

}  // namespace enclave::cluster
