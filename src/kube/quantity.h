// Resource amounts as Kubernetes writes them (k8s.io/apimachinery/pkg/api/resource): "250m",
// "1.5Gi", "1e3", "128974848". Exact fixed point in units of 10^-9; finer fractions are rounded
// away from zero, magnitudes beyond 2^63-1 whole units are errors, nothing overflows.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::kube {

class Quantity {
 public:
  enum class Format : std::uint8_t { kDecimalSi, kBinarySi, kDecimalExponent };

  Quantity() = default;  // 0
  // kInvalidArgument names what was wrong.
  static base::Result<Quantity> Parse(std::string_view text);
  // A JSON string or number: both are legal on the wire.
  static base::Result<Quantity> FromJson(const Json& value);
  // The quantity at a dotted path; `fallback` when absent or malformed.
  static Quantity At(const Json& value, std::string_view dotted_path, const Quantity& fallback);
  static Quantity At(const Json& value, std::string_view dotted_path);  // 0
  static Quantity FromMilli(std::int64_t milli);                        // decimal format: cores
  static Quantity FromBytes(std::int64_t bytes);                        // binary format

  // Rounded up (towards +infinity), as Kubernetes does; FromMilli's range saturates.
  std::int64_t Value() const;
  std::int64_t MilliValue() const;
  bool is_zero() const { return nano_ == 0; }
  bool negative() const { return nano_ < 0; }

  // Canonical: no fraction, the largest suffix that keeps it exact, in the format it was given.
  std::string ToString() const;

  // Saturate at the range's ends. The result has this quantity's format.
  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  std::strong_ordering operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }
  bool operator==(const Quantity& other) const { return nano_ == other.nano_; }

 private:
  using Wide = __int128;
  Quantity(Wide nano, Format format) : nano_(nano), format_(format) {}

  Wide nano_ = 0;
  Format format_ = Format::kDecimalSi;
};

}  // namespace enclave::kube
