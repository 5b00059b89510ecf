#include "observatory/store/int_pack.h"

#include <algorithm>

namespace enclave::observatory::store {
namespace {

struct Group {
  std::int64_t least;
  unsigned width;
};

Group Measure(std::span<const std::int64_t> values) {
  const auto [least, most] = std::ranges::minmax(values);
  const std::uint64_t span = static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
  return {least, 64 - static_cast<unsigned>(std::countl_zero(span))};
}

std::size_t VarintBytes(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

}  // namespace

std::size_t PackedBytes(std::span<const std::int64_t> values) {
  std::size_t bytes = 0;
  for (std::size_t at = 0; at < values.size(); at += kPackGroup) {
    const auto members = values.subspan(at, std::min(kPackGroup, values.size() - at));
    const Group group = Measure(members);
    bytes += VarintBytes(ZigZag(group.least)) + 1 + (members.size() * group.width + 7) / 8;
  }
  return bytes;
}

void PackInts(std::span<const std::int64_t> values, std::string& to) {
  for (std::size_t at = 0; at < values.size(); at += kPackGroup) {
    const auto members = values.subspan(at, std::min(kPackGroup, values.size() - at));
    const Group group = Measure(members);
    PutVarint(to, ZigZag(group.least));
    to += static_cast<char>(group.width);
    unsigned __int128 bits = 0;
    unsigned held = 0;
    for (const std::int64_t member : members) {
      const std::uint64_t more =
          static_cast<std::uint64_t>(member) - static_cast<std::uint64_t>(group.least);
      bits |= static_cast<unsigned __int128>(more) << held;
      held += group.width;
      if (held >= 64) {
        PutFixed64(to, static_cast<std::uint64_t>(bits));
        bits >>= 64;
        held -= 64;
      }
    }
    for (; held > 0; held = held > 8 ? held - 8 : 0) {
      to += static_cast<char>(static_cast<std::uint8_t>(bits));
      bits >>= 8;
    }
  }
}

bool UnpackInts(ByteReader& from, std::span<std::int64_t> values) {
  for (std::size_t at = 0; at < values.size(); at += kPackGroup) {
    const std::size_t count = std::min(kPackGroup, values.size() - at);
    const std::uint64_t least = static_cast<std::uint64_t>(from.Signed());
    const unsigned width = from.Byte();
    if (width > 64) return false;
    const std::string_view packed = from.Bytes((count * width + 7) / 8);
    if (!from.ok()) return false;
    std::int64_t* const out = values.data() + at;
    if (width == 0) {
      std::fill_n(out, count, static_cast<std::int64_t>(least));
      continue;
    }
    const std::uint64_t mask = ~std::uint64_t{0} >> (64 - width);
    std::size_t i = 0;
    // While eight bytes can be read at once, and hold a whole member after a shift of up to 7.
    if (width <= 57) {
      for (std::size_t bit = 0; i < count && bit / 8 + 8 <= packed.size(); ++i, bit += width) {
        std::uint64_t word;
        std::memcpy(&word, packed.data() + bit / 8, sizeof word);
        out[i] = static_cast<std::int64_t>(least + ((word >> (bit % 8)) & mask));
      }
    }
    for (; i < count; ++i) {
      unsigned __int128 word = 0;
      const std::size_t bit = i * width;
      const std::size_t bytes = std::min<std::size_t>(packed.size() - bit / 8, 16);
      std::memcpy(&word, packed.data() + bit / 8, bytes);
      out[i] =
          static_cast<std::int64_t>(least + (static_cast<std::uint64_t>(word >> (bit % 8)) & mask));
    }
  }
  return from.ok();
}

}  // namespace enclave::observatory::store
