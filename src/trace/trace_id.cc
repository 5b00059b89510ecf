#include "trace/trace_id.h"

#include <fmt/format.h>

#include <charconv>

namespace enclave::trace {
namespace {

// 16 digits as a number; both cases, and no sign.
std::optional<std::uint64_t> ParseHex64(std::string_view hex) {
  if (hex.size() != 16) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
  return value;
}

std::uint64_t NotZero(base::Random& random) {
  std::uint64_t value = 0;
  while (value == 0) value = random.Next();
  return value;
}

}  // namespace

std::optional<TraceId> TraceId::Parse(std::string_view hex) {
  std::uint64_t high = 0;
  if (hex.size() == 32) {
    const auto upper = ParseHex64(hex.substr(0, 16));
    if (!upper) return std::nullopt;
    high = *upper;
    hex.remove_prefix(16);
  }
  const auto low = ParseHex64(hex);
  if (!low || (high == 0 && *low == 0)) return std::nullopt;
  return TraceId(high, *low);
}

TraceId TraceId::Make(base::Random& random) {
  const std::uint64_t high = random.Next();
  // Samplers that look at 64 bits only look at these.
  return {high, NotZero(random)};
}

std::string TraceId::ToString() const {
  return fmt::format("{:016x}{:016x}", high_, low_);
}

std::optional<SpanId> SpanId::Parse(std::string_view hex) {
  const auto value = ParseHex64(hex);
  if (!value || *value == 0) return std::nullopt;
  return SpanId(*value);
}

SpanId SpanId::Make(base::Random& random) {
  return SpanId(NotZero(random));
}

std::string SpanId::ToString() const {
  return fmt::format("{:016x}", value_);
}

}  // namespace enclave::trace
