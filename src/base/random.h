// The port for chance. Production code takes a Random&; SeededRandom gives the same sequence from
// the same seed, SystemRandom is the kernel's generator, fit for keys and tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace enclave::base {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t Next() = 0;

  // Uniform in [0, bound); bound must not be 0.
  std::uint64_t Below(std::uint64_t bound);
  // Uniform in [0, 1).
  double Unit();
  // `length` characters drawn from `alphabet`.
  std::string Text(std::string_view alphabet, std::size_t length);
  // A version 4 UUID (RFC 9562), e.g. "6e1d9c0a-...".
  std::string Uuid();
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() override;  // SplitMix64

 private:
  std::uint64_t state_;
};

// Thread-safe.
Random& SystemRandom();

}  // namespace enclave::base
