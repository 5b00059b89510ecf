// Fingerprints in 16-bit integers: half the memory of floats, and their product sums are exact
// integers that common processors make eight at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace enclave::memory {

// A vector of length 1 has this length. Products of two such vectors sum to at most its square,
// 2^26, by Cauchy and Schwarz, so a 32-bit sum cannot overflow.
inline constexpr double kQuantisedLength = 8192;

inline std::vector<std::int16_t> Quantise(std::span<const float> values) {
  std::vector<std::int16_t> quantised(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double scaled = std::clamp(static_cast<double>(values[i]), -1.0, 1.0) * kQuantisedLength;
    quantised[i] = static_cast<std::int16_t>(std::lround(scaled));
  }
  return quantised;
}

}  // namespace enclave::memory
