// The enclave's own piece of the loopback network, so that several enclaves run side by side on one
// machine: 127.A.0.0/16 for one A each. Pods have 127.A.0.0/17, Services 127.A.240.0/20, the API
// server 127.A.240.1.
//
// An enclave keeps its A for as long as its state directory exists; a registry of the machine
// (a directory with one file for each A) keeps two enclaves from choosing the same one. A claim of
// a state directory that is gone, or that has chosen another A since, is void.
#pragma once

#include <string>

#include "base/result.h"

namespace enclave::cluster {

class AddressRange {
 public:
  explicit AddressRange(int second_byte) : second_byte_(second_byte) {}

  // 1 to 254; 0 holds 127.0.0.1.
  int second_byte() const { return second_byte_; }
  std::string pod_cidr() const;      // "127.93.0.0/17"
  std::string service_cidr() const;  // "127.93.240.0/20"
  std::string api_address() const;   // "127.93.240.1"

 private:
  int second_byte_;
};

inline constexpr const char* kAddressRegistry = "/tmp/enclave-addresses";

// The range of the enclave at `state_directory` (which exists): the one it had, or a free one.
// kResourceExhausted when none is free, kUnavailable when registry or state cannot be written.
base::Result<AddressRange> ClaimAddressRange(const std::string& state_directory,
                                             const std::string& registry = kAddressRegistry);

}  // namespace enclave::cluster
