#include "observatory/store/head_chunk.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "observatory/store/coding.h"

namespace enclave::observatory::store {
namespace {

constexpr std::int64_t kGreatestInteger = 1LL << 53;
constexpr std::size_t kMostSampleBytes = 1 + 10 + 10;

enum HeadValueKind : std::uint8_t { kSame, kDifference, kXor, kInteger };

}  // namespace

bool IsInteger(double value) {
  constexpr double kMost = static_cast<double>(kGreatestInteger);
  if (!(value >= -kMost && value <= kMost)) return false;
  return std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(value))) ==
         std::bit_cast<std::uint64_t>(value);
}

void HeadChunk::Grow() {
  // Steps that fill the allocator's sizes: a multiple of 16, less its own 8 bytes.
  const std::size_t wanted = static_cast<std::size_t>(size_) + kMostSampleBytes;
  const std::size_t capacity = (std::max(wanted, wanted * 5 / 4) + 8 + 15) / 16 * 16 - 8;
  auto grown = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
  if (size_ > 0) std::memcpy(grown.get(), bytes_.get(), size_);
  bytes_ = std::move(grown);
  capacity_ = static_cast<std::uint16_t>(capacity);
}

void HeadChunk::Clear() {
  bytes_.reset();
  size_ = capacity_ = count_ = 0;
  last_step_ = 0;
  last_value_ = 0;
}

void HeadChunk::Append(std::int64_t time_ms, double value) {
  if (size_ + kMostSampleBytes > capacity_) Grow();
  if (count_ == 0) {
    first_time_ = last_time_ = time_ms;
    last_step_ = 0;
    last_value_ = 0;
  }
  const std::int32_t step = static_cast<std::int32_t>(time_ms - last_time_);
  std::uint8_t* const begin = bytes_.get() + size_;
  std::uint8_t* to = begin;
  std::uint8_t tag = 0x80;
  const std::int64_t more = static_cast<std::int64_t>(step) - last_step_;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t last_bits = std::bit_cast<std::uint64_t>(last_value_);
  const bool integer = IsInteger(value);
  const bool both = integer && IsInteger(last_value_);
  const std::uint64_t difference =
      both ? ZigZag(static_cast<std::int64_t>(value) - static_cast<std::int64_t>(last_value_)) : 0;
  if (more == 0 && both && difference < 0x80) {
    *to++ = static_cast<std::uint8_t>(difference);
  } else {
    ++to;
    if (more != 0) {
      tag |= 0x40;
      to = PutVarint(to, ZigZag(more));
    }
    if (bits == last_bits) {
      tag |= kSame << 4;
    } else if (both) {
      tag |= kDifference << 4;
      to = PutVarint(to, difference);
    } else if (integer) {
      tag |= kInteger << 4;
      to = PutVarint(to, ZigZag(static_cast<std::int64_t>(value)));
    } else {
      tag |= kXor << 4;
      std::uint64_t x = bits ^ last_bits;
      const unsigned shift = static_cast<unsigned>(std::countr_zero(x)) / 8;
      x >>= 8 * shift;
      const unsigned length = (71 - static_cast<unsigned>(std::countl_zero(x))) / 8;
      *to++ = static_cast<std::uint8_t>(shift << 4 | length);
      std::memcpy(to, &x, 8);  // there is room: a sample never takes all of kMostSampleBytes
      to += length;
    }
    *begin = tag;
  }
  size_ = static_cast<std::uint16_t>(to - bytes_.get());
  ++count_;
  last_step_ = step;
  last_time_ = time_ms;
  last_value_ = value;
}

bool HeadChunk::Decode(std::int64_t first_time, std::size_t count, std::string_view bytes,
                       std::vector<telemetry::Sample>& samples) {
  if (count > bytes.size()) return false;
  const std::size_t before = samples.size();
  samples.resize(before + count);
  telemetry::Sample* out = samples.data() + before;
  ByteReader reader(bytes);
  std::int64_t time = first_time;
  std::int64_t step = 0;
  std::int64_t integer = 0;  // the last value, while `is_integer`
  bool is_integer = true;
  double value = 0;
  const auto set_integer = [&](std::int64_t to) {
    integer = to;
    is_integer = to >= -kGreatestInteger && to <= kGreatestInteger;
    value = static_cast<double>(to);
    return is_integer;
  };
  bool good = true;
  for (std::size_t i = 0; good && i < count; ++i) {
    const std::uint8_t tag = reader.Byte();
    if (tag < 0x80) {
      time = WrapAdd(time, step);
      good = is_integer && set_integer(integer + UnZigZag(tag));
    } else {
      if (tag & 0x40) step = WrapAdd(step, reader.Signed());
      time = WrapAdd(time, step);
      switch ((tag >> 4) & 3) {
        case kSame:
          break;
        case kDifference:
          good = is_integer && set_integer(WrapAdd(integer, reader.Signed()));
          break;
        case kInteger:
          good = set_integer(reader.Signed());
          break;
        default: {
          const std::uint8_t shape = reader.Byte();
          const unsigned shift = shape >> 4;
          const unsigned length = shape & 15;
          const std::string_view raw = reader.Bytes(length);
          if (shift + length > 8 || length == 0 || raw.size() != length) {
            good = false;
            break;
          }
          std::uint64_t x = 0;
          std::memcpy(&x, raw.data(), length);
          value = std::bit_cast<double>(std::bit_cast<std::uint64_t>(value) ^ (x << (8 * shift)));
          is_integer = IsInteger(value);
          if (is_integer) integer = static_cast<std::int64_t>(value);
        }
      }
    }
    good = good && reader.ok() && (i == 0 || time > out[i - 1].time_ms);
    out[i] = {time, value};
  }
  if (good && reader.AtEnd() && (count == 0 || out[0].time_ms == first_time)) return true;
  samples.resize(before);
  return false;
}

}  // namespace enclave::observatory::store
