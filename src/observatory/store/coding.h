// Numbers as bytes, for keys and values in the database.
//
// Keys are big-endian, so that they sort as their numbers do. Values are varints (seven bits a
// byte, the lowest first), signed ones in zigzag. A ByteReader never reads past its end: a read
// that would leaves it failed, and every later read gives zero.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace enclave::observatory::store {

constexpr std::uint64_t ZigZag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t UnZigZag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}
// Differences and sums that may wrap: what was subtracted is added again to the same number.
constexpr std::int64_t WrapSub(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
constexpr std::int64_t WrapAdd(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

inline constexpr std::size_t kMostVarintBytes = 10;

// Writes at `to`, which has room for kMostVarintBytes; returns the end.
inline std::uint8_t* PutVarint(std::uint8_t* to, std::uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<std::uint8_t>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<std::uint8_t>(value);
  return to;
}
inline void PutVarint(std::string& to, std::uint64_t value) {
  std::uint8_t buffer[kMostVarintBytes];
  const std::uint8_t* const end = PutVarint(buffer, value);
  to.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(end - buffer));
}
inline void PutText(std::string& to, std::string_view text) {  // its length, then itself
  PutVarint(to, text.size());
  to.append(text);
}
inline void PutFixed64(std::string& to, std::uint64_t value) {  // little-endian
  char bytes[8];
  std::memcpy(bytes, &value, sizeof bytes);
  to.append(bytes, sizeof bytes);
}
inline void PutBe32(std::string& to, std::uint32_t value) {
  const std::uint32_t swapped = __builtin_bswap32(value);
  char bytes[4];
  std::memcpy(bytes, &swapped, sizeof bytes);
  to.append(bytes, sizeof bytes);
}
inline void PutBe64(std::string& to, std::uint64_t value) {
  const std::uint64_t swapped = __builtin_bswap64(value);
  char bytes[8];
  std::memcpy(bytes, &swapped, sizeof bytes);
  to.append(bytes, sizeof bytes);
}
// The caller knows that the bytes are there.
inline std::uint32_t GetBe32(const char* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap32(value);
}
inline std::uint64_t GetBe64(const char* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap64(value);
}
static_assert(std::endian::native == std::endian::little, "values are little-endian as they lie");

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : at_(reinterpret_cast<const std::uint8_t*>(bytes.data())), end_(at_ + bytes.size()) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return at_ == end_; }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  std::string_view rest() const { return {reinterpret_cast<const char*>(at_), left()}; }

  std::uint8_t Byte() {
    if (at_ == end_) return Fail();
    return *at_++;
  }
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return Fail();
      const std::uint8_t byte = *at_++;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }
  std::int64_t Signed() { return UnZigZag(Varint()); }
  std::uint64_t Fixed64() {
    if (left() < 8) return Fail();
    std::uint64_t value;
    std::memcpy(&value, at_, sizeof value);
    at_ += 8;
    return value;
  }
  std::string_view Bytes(std::uint64_t count) {
    if (count > left()) {
      Fail();
      return {};
    }
    const std::string_view bytes(reinterpret_cast<const char*>(at_),
                                 static_cast<std::size_t>(count));
    at_ += count;
    return bytes;
  }
  std::string_view Text() { return Bytes(Varint()); }

 private:
  std::uint8_t Fail() {
    ok_ = false;
    at_ = end_;
    return 0;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ok_ = true;
};

}  // namespace enclave::observatory::store
