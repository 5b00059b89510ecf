#include "observatory/store/log_filter.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace enclave::observatory::store {
namespace {

constexpr unsigned kMostLogFilterBits = 15;  // 4 KiB
constexpr unsigned kLeastLogFilterBits = 9;  // 64 bytes

// The highest bits of a product: those of a folded filter are a prefix of those of a full one.
std::uint32_t TrigramHash(std::uint32_t trigram) {
  return trigram * 0x9e3779b1U;
}

std::uint32_t TrigramAt(const char* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, 3);
  return value;
}

}  // namespace

std::string BuildLogFilter(std::string_view lines) {
  std::array<std::uint64_t, (1U << kMostLogFilterBits) / 64> bits{};
  for (std::size_t i = 0; i + 3 <= lines.size(); ++i) {
    const std::uint32_t bit = TrigramHash(TrigramAt(lines.data() + i)) >> (32 - kMostLogFilterBits);
    bits[bit / 64] |= 1ULL << (bit % 64);
  }
  // Halved, by laying neighbours over each other, for as long as at most one bit in five is set.
  unsigned log2 = kMostLogFilterBits;
  std::size_t words = bits.size();
  std::size_t set = 0;
  for (const std::uint64_t word : bits) set += static_cast<std::size_t>(std::popcount(word));
  while (log2 > kLeastLogFilterBits && set * 10 <= (1ULL << log2)) {
    set = 0;
    for (std::size_t i = 0; i < words / 2; ++i) {
      std::uint64_t folded = 0;
      for (unsigned bit = 0; bit < 64; ++bit) {
        const std::uint64_t from = bits[2 * i + bit / 32];
        const unsigned pair = (bit % 32) * 2;
        if (((from >> pair) & 3U) != 0) folded |= 1ULL << bit;
      }
      bits[i] = folded;
      set += static_cast<std::size_t>(std::popcount(folded));
    }
    words /= 2;
    --log2;
  }
  return {reinterpret_cast<const char*>(bits.data()), words * 8};
}

bool LogFilterMayContain(std::string_view filter, std::string_view needle) {
  const std::size_t bits = filter.size() * 8;
  if (!std::has_single_bit(bits) || bits < (1U << kLeastLogFilterBits) ||
      bits > (1U << kMostLogFilterBits))
    return true;
  const unsigned log2 = static_cast<unsigned>(std::countr_zero(bits));
  for (std::size_t i = 0; i + 3 <= needle.size(); ++i) {
    const std::uint32_t bit = TrigramHash(TrigramAt(needle.data() + i)) >> (32 - log2);
    if (((static_cast<unsigned char>(filter[bit / 8]) >> (bit % 8)) & 1) == 0) return false;
  }
  return true;
}

}  // namespace enclave::observatory::store
