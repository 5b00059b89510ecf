#include "cluster/kubelet/address_pool.h"

#include <fmt/format.h>

#include "base/quote.h"

#include <charconv>
#include <optional>

namespace enclave::cluster {
namespace {

std::optional<std::uint32_t> ParseNumber(std::string_view text, std::uint32_t most) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> ParseAddress(std::string_view text) {
  std::uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto byte = ParseNumber(text.substr(0, dot), 255);
    if (!byte) return std::nullopt;
    address = address << 8 | *byte;
    text.remove_prefix(part < 3 ? dot + 1 : dot);
  }
  return address;
}

std::string FormatAddress(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255,
                     address & 255);
}

}  // namespace

base::Result<AddressPool> AddressPool::Make(std::string_view cidr) {
  const std::size_t slash = cidr.find('/');
  std::optional<std::uint32_t> address;
  std::optional<std::uint32_t> prefix;
  if (slash != std::string_view::npos) {
    address = ParseAddress(cidr.substr(0, slash));
    prefix = ParseNumber(cidr.substr(slash + 1), 30);
  }
  if (!address || !prefix || *prefix == 0) {
    return base::Fail(
        base::ErrorKind::kInvalidArgument,
        fmt::format("pod address range {} is not of the form 127.1.0.0/16", base::Quote(cidr)));
  }
  const std::uint32_t hosts = (1U << (32 - *prefix)) - 1;
  const std::uint32_t network = *address & ~hosts;
  return AddressPool(network + 1, network + hosts - 1);
}

base::Result<std::string> AddressPool::Allocate(const std::string& owner) {
  const auto found = by_owner_.find(owner);
  if (found != by_owner_.end()) return FormatAddress(found->second);
  const std::uint32_t size = last_ - first_ + 1;
  if (used_.size() >= size) {
    return base::Fail(base::ErrorKind::kResourceExhausted,
                      fmt::format("all {} pod addresses are in use", size));
  }
  while (used_.contains(next_)) next_ = next_ == last_ ? first_ : next_ + 1;
  const std::uint32_t address = next_;
  next_ = next_ == last_ ? first_ : next_ + 1;
  used_.insert(address);
  by_owner_[owner] = address;
  return FormatAddress(address);
}

base::Result<> AddressPool::Reserve(const std::string& owner, std::string_view address) {
  const auto parsed = ParseAddress(address);
  if (!parsed || *parsed < first_ || *parsed > last_) {
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("{} is not a pod address", address));
  }
  const auto found = by_owner_.find(owner);
  if (found != by_owner_.end() && found->second == *parsed) return {};
  if (!used_.insert(*parsed).second)
    return base::Fail(base::ErrorKind::kConflict, fmt::format("{} is another pod's", address));
  if (found != by_owner_.end()) used_.erase(found->second);
  by_owner_[owner] = *parsed;
  // Go on behind it, or a restart would hand out again what was freed a moment ago.
  next_ = *parsed == last_ ? first_ : *parsed + 1;
  return {};
}

void AddressPool::Release(const std::string& owner) {
  const auto found = by_owner_.find(owner);
  if (found == by_owner_.end()) return;
  used_.erase(found->second);
  by_owner_.erase(found);
}

}  // namespace enclave::cluster
