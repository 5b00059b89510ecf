#include "observatory/store/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "observatory/store/head_chunk.h"
#include "observatory/store/int_pack.h"
#include "observatory/store/options.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Sample;

constexpr std::int64_t kWindow = 200'000 * kWindowMs;

// Equal bit for bit: NaN, its kinds, and -0 too.
void ExpectSame(const std::vector<Sample>& a, const std::vector<Sample>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].time_ms, b[i].time_ms) << i;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(a[i].value), std::bit_cast<std::uint64_t>(b[i].value))
        << i << ": " << a[i].value << " and " << b[i].value;
  }
}

std::vector<Sample> Regular(const std::vector<double>& values, std::int64_t step = 15'000) {
  std::vector<Sample> samples;
  std::int64_t time = kWindow + 1234;
  for (const double value : values) {
    samples.push_back({time, value});
    time += step;
  }
  return samples;
}

// Through a sealed chunk, and, where it fits, through an open one. The bytes of the sealed one.
std::size_t RoundTrip(const std::vector<Sample>& samples) {
  const std::string bytes = EncodeChunk(kWindow, samples);
  std::vector<Sample> decoded = {{1, 2}};
  EXPECT_TRUE(DecodeChunk(kWindow, bytes, decoded));
  decoded.erase(decoded.begin());
  ExpectSame(samples, decoded);
  ChunkBounds bounds{};
  EXPECT_TRUE(PeekChunk(kWindow, bytes, bounds));
  EXPECT_EQ(bounds.count, samples.size());
  EXPECT_EQ(bounds.first_time, samples.front().time_ms);
  EXPECT_EQ(bounds.last_time, samples.back().time_ms);

  HeadChunk head;
  std::vector<Sample> kept;
  for (const Sample& sample : samples) {
    if (head.Full()) break;
    head.Append(sample.time_ms, sample.value);
    kept.push_back(sample);
  }
  decoded.clear();
  EXPECT_TRUE(HeadChunk::Decode(head.first_time(), head.count(), head.bytes(), decoded));
  ExpectSame(kept, decoded);
  return bytes.size();
}

const double kStale = std::bit_cast<double>(telemetry::kStaleBits);

TEST(ChunkTest, SpecialValuesComeBackBitForBit) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const double greatest = std::numeric_limits<double>::max();
  const double least = std::numeric_limits<double>::denorm_min();
  RoundTrip(Regular({0}));
  RoundTrip(Regular({kStale}));
  RoundTrip(Regular({-0.0, 0.0, -0.0}));
  RoundTrip(Regular({1, 2, kStale}));
  RoundTrip(Regular({kStale, 1, 2, kStale, 3, nan, inf, -inf, -0.0}));
  RoundTrip(Regular({greatest, -greatest, least, -least, 0}));
  RoundTrip(Regular({9007199254740992.0, -9007199254740992.0, 9007199254740993.0, 1e15, 1e16}));
  RoundTrip(Regular({0.1, 0.2, 0.30000000000000004, 0.3}));
  RoundTrip(Regular({nan, nan, kStale, kStale}));
  RoundTrip(Regular({1, 1, 1, 1, 1}));
  RoundTrip(Regular({0.5, 1e300, 0.25, kStale}));
}

TEST(ChunkTest, TimesOfAllKindsComeBack) {
  RoundTrip({{kWindow, 1}, {kWindow + kWindowMs - 1, 2}});
  RoundTrip({{kWindow, 1}, {kWindow + 1, 2}, {kWindow + kWindowMs - 1, 3}});
  base::SeededRandom random(1);
  for (int round = 0; round < 50; ++round) {
    std::vector<Sample> samples;
    std::int64_t time = kWindow + static_cast<std::int64_t>(random.Below(10'000));
    while (time < kWindow + kWindowMs && samples.size() < 400) {
      samples.push_back({time, static_cast<double>(random.Below(100))});
      time += random.Below(10) == 0 ? 1 + static_cast<std::int64_t>(random.Below(100'000))
                                    : 14'990 + static_cast<std::int64_t>(random.Below(20));
    }
    RoundTrip(samples);
  }
}

TEST(ChunkTest, RandomSeriesOfManyShapesComeBack) {
  base::SeededRandom random(7);
  for (int round = 0; round < 400; ++round) {
    const std::uint64_t shape = random.Below(8);
    const std::size_t count = 1 + random.Below(300);
    std::vector<double> values;
    double value = static_cast<double>(random.Below(1'000'000));
    for (std::size_t i = 0; i < count; ++i) {
      switch (shape) {
        case 0:
          value += static_cast<double>(random.Below(50));
          break;
        case 1:  // a counter that is reset
          value = random.Below(40) == 0 ? 0 : value + static_cast<double>(random.Below(5));
          break;
        case 2:
          value = static_cast<double>(random.Below(10'000)) / 100;
          break;
        case 3:
          value = random.Unit() * 1e6 - 5e5;
          break;
        case 4:  // any bits
          value = std::bit_cast<double>(random.Next());
          break;
        case 5:
          value = random.Below(20) == 0 ? kStale : static_cast<double>(random.Below(3)) - 1;
          break;
        case 6:
          value += random.Unit() < 0.1 ? 0.001 : 0;
          break;
        default:
          value = std::ldexp(static_cast<double>(random.Below(1 << 20)) - 5e5,
                             static_cast<int>(random.Below(80)) - 20);
      }
      values.push_back(value);
    }
    RoundTrip(Regular(values, 1 + static_cast<std::int64_t>(random.Below(20'000))));
    if (HasFatalFailure()) return;
  }
}

TEST(ChunkTest, CountersTakeLessThanAByteASample) {
  base::SeededRandom random(3);
  std::vector<double> values;
  double value = 0;
  for (int i = 0; i < 240; ++i) values.push_back(value += static_cast<double>(random.Below(50)));
  EXPECT_LT(RoundTrip(Regular(values)), 200U);
  // Two digits after the point, wherever they come from, are no reason to keep 64 bits.
  for (double& one : values) one = static_cast<double>(random.Below(10'000)) / 100;
  EXPECT_LT(RoundTrip(Regular(values)), 460U);
  EXPECT_LT(RoundTrip(Regular(std::vector<double>(240, 17.5))), 16U);
}

TEST(ChunkTest, AnOpenChunkOfACounterTakesAByteASample) {
  base::SeededRandom random(3);
  HeadChunk head;
  double value = 0;
  std::int64_t time = kWindow;
  for (; !head.Full(); time += 15'000)
    head.Append(time, value += static_cast<double>(random.Below(50)));
  EXPECT_EQ(head.count(), HeadChunk::kMostSamples);
  EXPECT_LT(head.bytes().size(), HeadChunk::kMostSamples + 20);
}

TEST(ChunkTest, DamagedBytesAreNoChunk) {
  base::SeededRandom random(5);
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(random.Unit());
  const std::string bytes = EncodeChunk(kWindow, Regular(values));
  std::vector<Sample> decoded = {{7, 7}};
  EXPECT_FALSE(DecodeChunk(kWindow, bytes.substr(0, bytes.size() / 2), decoded));
  EXPECT_EQ(decoded.size(), 1U);
  EXPECT_FALSE(DecodeChunk(kWindow, "", decoded));
  EXPECT_FALSE(HeadChunk::Decode(0, 3, "ab", decoded));
  EXPECT_EQ(decoded.size(), 1U);
}

TEST(IntPackTest, AnyIntegersComeBack) {
  base::SeededRandom random(11);
  for (int round = 0; round < 300; ++round) {
    const unsigned width = static_cast<unsigned>(random.Below(65));
    std::vector<std::int64_t> values(random.Below(200));
    for (std::int64_t& value : values)
      value = width == 0 ? -5 : static_cast<std::int64_t>(random.Next() >> (64 - width));
    if (width == 64 && values.size() > 1) values[0] = INT64_MIN, values[1] = INT64_MAX;
    std::string bytes;
    PackInts(values, bytes);
    EXPECT_EQ(bytes.size(), PackedBytes(values));
    bytes += "after";
    std::vector<std::int64_t> unpacked(values.size());
    ByteReader reader(bytes);
    ASSERT_TRUE(UnpackInts(reader, unpacked));
    ASSERT_EQ(values, unpacked) << "width " << width;
    EXPECT_EQ(reader.rest(), "after");
  }
}

}  // namespace
}  // namespace enclave::observatory::store
