#include "observatory/store/xor_codec.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace enclave::observatory::store {
namespace {

class BitWriter {
 public:
  explicit BitWriter(std::string& to) : to_(to) {}
  void Put(std::uint64_t value, unsigned bits) {  // its lowest `bits`, at most 64
    bits_ = (bits_ << bits) | value;
    held_ += bits;
    while (held_ >= 8) {
      held_ -= 8;
      to_ += static_cast<char>(static_cast<std::uint8_t>(bits_ >> held_));
    }
  }
  void Finish() {
    if (held_ > 0) Put(0, 8 - held_);
  }

 private:
  std::string& to_;
  unsigned __int128 bits_ = 0;
  unsigned held_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::string_view from) : from_(from) {}
  std::uint64_t Get(unsigned bits) {  // 1 to 64
    while (held_ < bits) {
      if (at_ + 8 <= from_.size() && held_ <= 64) {
        std::uint64_t word;
        std::memcpy(&word, from_.data() + at_, sizeof word);
        bits_ = (bits_ << 64) | __builtin_bswap64(word);
        held_ += 64;
        at_ += 8;
        continue;
      }
      if (at_ == from_.size()) {
        ok_ = false;
        return 0;
      }
      bits_ = (bits_ << 8) | static_cast<std::uint8_t>(from_[at_++]);
      held_ += 8;
    }
    held_ -= bits;
    return static_cast<std::uint64_t>(bits_ >> held_) & (~std::uint64_t{0} >> (64 - bits));
  }
  bool ok() const { return ok_; }

 private:
  std::string_view from_;
  std::size_t at_ = 0;
  unsigned __int128 bits_ = 0;
  unsigned held_ = 0;
  bool ok_ = true;
};

}  // namespace

void EncodeXor(std::span<const telemetry::Sample> samples, std::string& to) {
  BitWriter writer(to);
  std::uint64_t last = 0;
  unsigned leading = 64;  // of the window used last; 64: none yet
  unsigned trailing = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(samples[i].value);
    const std::uint64_t x = bits ^ last;
    last = bits;
    if (i == 0) {
      writer.Put(bits, 64);
    } else if (x == 0) {
      writer.Put(0, 1);
    } else {
      const unsigned zeros = std::min(static_cast<unsigned>(std::countl_zero(x)), 31U);
      const unsigned after = static_cast<unsigned>(std::countr_zero(x));
      if (leading <= zeros && trailing <= after) {
        writer.Put(2, 2);
        writer.Put(x >> trailing, 64 - leading - trailing);
      } else {
        leading = zeros;
        trailing = after;
        const unsigned length = 64 - leading - trailing;
        writer.Put(3ULL << 11 | static_cast<std::uint64_t>(leading) << 6 | (length - 1), 13);
        writer.Put(x >> trailing, length);
      }
    }
  }
  writer.Finish();
}

bool DecodeXor(std::string_view bytes, std::span<telemetry::Sample> samples) {
  BitReader reader(bytes);
  std::uint64_t last = 0;
  unsigned length = 0;  // of the window used last; 0: none yet
  unsigned trailing = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i == 0) {
      last = reader.Get(64);
    } else if (reader.Get(1) != 0) {
      if (reader.Get(1) != 0) {
        const auto shape = static_cast<unsigned>(reader.Get(11));
        length = (shape & 63) + 1;
        const unsigned leading = shape >> 6;
        if (leading + length > 64) return false;
        trailing = 64 - leading - length;
      }
      if (length == 0) return false;
      last ^= reader.Get(length) << trailing;
    }
    if (!reader.ok()) return false;
    samples[i].value = std::bit_cast<double>(last);
  }
  return true;
}

}  // namespace enclave::observatory::store
