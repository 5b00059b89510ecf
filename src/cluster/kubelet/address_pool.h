// Gives each pod an IPv4 address of its own out of a range, and takes it back. A freed address is
// given again as late as possible, so that a client with an old one meets nobody rather than a
// stranger.
//
// Nothing is stored: after a restart the kubelet reserves what the pods' status says before it
// allocates.
//
// Thread safety: not thread-safe; lives on the kubelet's executor.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::cluster {

class AddressPool {
 public:
  // All addresses of "A.B.C.D/PREFIX" but the first and the last. kInvalidArgument for anything
  // else than a range of at least four addresses.
  static base::Result<AddressPool> Make(std::string_view cidr);

  // The owner's address: the one it has, or a free one. kResourceExhausted when none is left.
  base::Result<std::string> Allocate(const std::string& owner);
  // The owner has this address from before. kConflict when another has it, kInvalidArgument when it
  // is not of the range.
  base::Result<> Reserve(const std::string& owner, std::string_view address);
  void Release(const std::string& owner);

  std::size_t used() const { return by_owner_.size(); }

 private:
  AddressPool(std::uint32_t first, std::uint32_t last) : first_(first), last_(last), next_(first) {}

  std::uint32_t first_;
  std::uint32_t last_;
  std::uint32_t next_;
  std::map<std::string, std::uint32_t> by_owner_;
  std::set<std::uint32_t> used_;
};

}  // namespace enclave::cluster
