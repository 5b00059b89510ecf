#include "cluster/api/service_addresses.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "kube/hash.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::Json;
using kube::StringAt;

constexpr std::uint32_t kReserved = 16;

std::string NameOf(const Json& service) {
  return StringAt(service, "metadata.namespace") + "/" + StringAt(service, "metadata.name");
}

// "" and "None" are no addresses.
std::optional<std::uint32_t> AddressOf(const Json& service) {
  return ParseIpv4(StringAt(service, "spec.clusterIP"));
}

std::unexpected<base::Error> Refuse(const std::string& name, const std::string& ip,
                                    std::string_view why) {
  return Fail(ErrorKind::kUnprocessable,
              fmt::format("Service \"{}\" is invalid: spec.clusterIPs: Invalid value: [\"{}\"]: "
                          "failed to allocate IP {}: {}",
                          name, ip, ip, why));
}

}  // namespace

std::optional<std::uint32_t> ParseIpv4(std::string_view text) {
  std::uint32_t address = 0;
  for (int part = 0; part < 4; ++part) {
    const std::size_t end = part == 3 ? text.size() : text.find('.');
    if (end == std::string_view::npos || end == 0 || end > 3) return std::nullopt;
    unsigned value = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + end, value);
    if (error != std::errc() || at != text.data() + end || value > 255) return std::nullopt;
    if (end > 1 && text[0] == '0') return std::nullopt;
    address = address << 8 | value;
    text.remove_prefix(part == 3 ? end : end + 1);
  }
  return address;
}

std::string FormatIpv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255,
                     address & 255);
}

base::Result<std::shared_ptr<ServiceAddresses>> ServiceAddresses::Make(std::string_view cidr,
                                                                       std::string node_address) {
  const std::size_t slash = cidr.find('/');
  const auto first = ParseIpv4(cidr.substr(0, slash));
  unsigned bits = 0;
  if (slash != std::string_view::npos) {
    const std::string_view text = cidr.substr(slash + 1);
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (error != std::errc() || at != text.data() + text.size()) bits = 0;
  }
  if (!first || bits < 8 || bits > 27) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("the range of Service addresses must be like \"127.77.240.0/20\", with "
                            "8 to 27 bits, not \"{}\"",
                            cidr));
  }
  const std::uint32_t size = std::uint32_t{1} << (32 - bits);
  return std::shared_ptr<ServiceAddresses>(
      new ServiceAddresses(*first & ~(size - 1), size, std::move(node_address)));
}

base::Result<> ServiceAddresses::Claim(Json& fresh, const kube::Object* current) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(ClaimAddress(fresh, current));
  if (auto ports = node_ports_.Claim(fresh); !ports) {
    AbandonAddress(fresh);
    return ports;
  }
  ShowLoadBalancer(fresh);
  return {};
}

// What a cloud's controller does elsewhere.
void ServiceAddresses::ShowLoadBalancer(Json& fresh) const {
  Json& status = fresh["status"];
  if (!status.is_object()) status = Json::object();
  Json& shown = status["loadBalancer"];
  if (StringAt(fresh, "spec.type") == "LoadBalancer" && !node_address_.empty()) {
    shown = {{"ingress", Json::array({{{"ip", node_address_}, {"ipMode", "VIP"}}})}};
  } else {
    shown = Json::object();
  }
}

base::Result<> ServiceAddresses::ClaimAddress(Json& fresh, const kube::Object* current) {
  if (StringAt(fresh, "spec.type") == "ExternalName") return {};
  const std::string& asked = StringAt(fresh, "spec.clusterIP");
  if (asked == "None") return {};
  const std::string name = NameOf(fresh);
  if (!asked.empty()) {
    if (current != nullptr && StringAt(current->json(), "spec.clusterIP") == asked) return {};
    const auto address = ParseIpv4(asked);
    const std::string& short_name = StringAt(fresh, "metadata.name");
    if (!address || *address - first_ >= size_) {
      return Refuse(short_name, asked, "the provided IP is not in the valid range");
    }
    const auto [it, free] = taken_.try_emplace(*address - first_, Holder{name, false});
    if (!free && it->second.service != name) {
      return Refuse(short_name, asked, "provided IP is already allocated");
    }
    return {};
  }
  // The first and last addresses of a range are no host's.
  const std::uint32_t choices = size_ - kReserved - 1;
  const std::uint32_t start = kube::Fnv1a32(name) % choices;
  for (std::uint32_t i = 0; i < choices; ++i) {
    const std::uint32_t offset = kReserved + (start + i) % choices;
    if (!taken_.try_emplace(offset, Holder{name, false}).second) continue;
    const std::string address = FormatIpv4(first_ + offset);
    fresh["spec"]["clusterIP"] = address;
    fresh["spec"]["clusterIPs"] = Json::array({address});
    return {};
  }
  return Fail(ErrorKind::kResourceExhausted,
              "no address is left in the range of Service addresses");
}

void ServiceAddresses::Abandon(const Json& fresh) {
  std::lock_guard lock(mutex_);
  AbandonAddress(fresh);
  node_ports_.Abandon(fresh);
}

void ServiceAddresses::AbandonAddress(const Json& fresh) {
  const auto address = AddressOf(fresh);
  if (!address) return;
  const auto found = taken_.find(*address - first_);
  if (found != taken_.end() && !found->second.committed && found->second.service == NameOf(fresh)) {
    taken_.erase(found);
  }
}

void ServiceAddresses::Changed(const kube::Object* before, const kube::Object* after) {
  const auto old_address = before == nullptr ? std::nullopt : AddressOf(before->json());
  const auto new_address = after == nullptr ? std::nullopt : AddressOf(after->json());
  std::lock_guard lock(mutex_);
  if (old_address && old_address != new_address) {
    const auto found = taken_.find(*old_address - first_);
    if (found != taken_.end() && found->second.service == NameOf(before->json())) {
      taken_.erase(found);
    }
  }
  if (new_address) taken_[*new_address - first_] = Holder{NameOf(after->json()), true};
  node_ports_.Changed(before == nullptr ? nullptr : &before->json(),
                      after == nullptr ? nullptr : &after->json());
}

}  // namespace enclave::cluster
