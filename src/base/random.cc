#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace enclave::base {
namespace {

class KernelRandom final : public Random {
 public:
  std::uint64_t Next() override {
    std::uint64_t value = 0;
    const ssize_t got = getrandom(&value, sizeof value, 0);
    CHECK(got == sizeof value, "getrandom gives up to 256 bytes at once without interruption");
    return value;
  }
};

}  // namespace

std::uint64_t Random::Below(std::uint64_t bound) {
  CHECK(bound != 0, "a range needs at least one value");
  // Rejects the tail that would make small values more likely.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t value = Next();
  while (value >= limit) value = Next();
  return value % bound;
}

double Random::Unit() {
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

std::string Random::Text(std::string_view alphabet, std::size_t length) {
  std::string text(length, '\0');
  for (char& c : text) c = alphabet[Below(alphabet.size())];
  return text;
}

std::string Random::Uuid() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string uuid = Text(kHex, 36);
  for (const std::size_t dash : {8u, 13u, 18u, 23u}) uuid[dash] = '-';
  uuid[14] = '4';
  uuid[19] = "89ab"[Below(4)];
  return uuid;
}

std::uint64_t SeededRandom::Next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

Random& SystemRandom() {
  static KernelRandom random;
  return random;
}

}  // namespace enclave::base
