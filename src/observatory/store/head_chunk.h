// The open chunk of a series: where its samples go as they come, in order of time.
//
// Made for cheap appending and little memory, not for the last bit: every sample is whole bytes, a
// regular one of a counter that grows by less than 64 exactly one. A full chunk is decoded and
// encoded again, by chunk.h, when it is sealed.
//
// Each sample is a tag byte and what the tag says. The first one is told from time `first_time`,
// step 0 and value 0.
//
//   0vvvvvvv                  the step of time is that of the sample before; the value is an
//                             integer, as is the one before, and differs by zigzag v
//   1s kk 0000                s: a zigzag varint follows, by how much the step differs
//                             kk 0: the same value, bit for bit
//                                1: a zigzag varint follows, the difference of two integers
//                                2: a byte and some bytes follow: the XOR of the bits with those
//                                   before, shifted right by 8 * (byte >> 4), (byte & 15) bytes
//                                3: a zigzag varint follows, the integer itself
//
// An integer here is a double without fraction of at most 2^53 in size, and not -0.
//
// Thread safety: none; const methods may run at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "telemetry/metric.h"

namespace enclave::observatory::store {

class HeadChunk {
 public:
  static constexpr std::size_t kMostSamples = 240;
  static constexpr std::size_t kMostBytes = 3000;

  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  bool Full() const { return count_ >= kMostSamples || size_ > kMostBytes; }
  // Of a chunk that is not empty.
  std::int64_t first_time() const { return first_time_; }
  std::int64_t last_time() const { return last_time_; }
  double last_value() const { return last_value_; }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.get()), size_}; }
  std::size_t capacity() const { return capacity_; }

  // Later than last_time(), by less than 2^31 ms, and not Full.
  void Append(std::int64_t time_ms, double value);
  void Clear();

  // Appends the samples of a chunk to `samples`: false when the bytes are no such chunk.
  static bool Decode(std::int64_t first_time, std::size_t count, std::string_view bytes,
                     std::vector<telemetry::Sample>& samples);

 private:
  void Grow();

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::uint16_t size_ = 0;
  std::uint16_t capacity_ = 0;
  std::uint16_t count_ = 0;
  std::int32_t last_step_ = 0;
  std::int64_t first_time_ = 0;
  std::int64_t last_time_ = 0;
  double last_value_ = 0;
};

// Whether `value` is an integer in the sense above.
bool IsInteger(double value);

}  // namespace enclave::observatory::store
