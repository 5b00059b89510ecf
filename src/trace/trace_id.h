// The ids of a trace and of a span in it, as W3C Trace Context and B3 know them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace enclave::trace {

// 128 bits, not all zero.
class TraceId {
 public:
  // 32 hexadecimal digits, or 16 (a B3 id of 64 bits, whose upper half is zero); nullopt for
  // anything else and for zero.
  static std::optional<TraceId> Parse(std::string_view hex);
  static TraceId Make(base::Random& random);

  std::string ToString() const;  // 32 lower-case hexadecimal digits
  std::uint64_t high() const { return high_; }
  std::uint64_t low() const { return low_; }
  auto operator<=>(const TraceId&) const = default;

 private:
  TraceId(std::uint64_t high, std::uint64_t low) : high_(high), low_(low) {}
  std::uint64_t high_;
  std::uint64_t low_;
};

// 64 bits, not zero.
class SpanId {
 public:
  // 16 hexadecimal digits; nullopt for anything else and for zero.
  static std::optional<SpanId> Parse(std::string_view hex);
  static SpanId Make(base::Random& random);

  std::string ToString() const;  // 16 lower-case hexadecimal digits
  std::uint64_t value() const { return value_; }
  auto operator<=>(const SpanId&) const = default;

 private:
  explicit SpanId(std::uint64_t value) : value_(value) {}
  std::uint64_t value_;
};

}  // namespace enclave::trace
