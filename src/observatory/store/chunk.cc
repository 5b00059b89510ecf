#include "observatory/store/chunk.h"

#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "observatory/store/coding.h"
#include "observatory/store/head_chunk.h"
#include "observatory/store/int_pack.h"
#include "observatory/store/xor_codec.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Sample;

enum TimeEncoding : std::uint8_t { kRegular, kSteps };
enum ValueEncoding : std::uint8_t { kConstant, kDifferences, kPlain, kXorBits };

constexpr std::array<double, 10> kPowers = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
constexpr std::size_t kMostExceptions = 4;

struct Decimals {
  unsigned digits = 0;
  std::vector<std::int64_t> values{};  // of an exception, the value before it
  struct Exception {
    std::size_t index;
    std::uint64_t bits;
  };
  std::vector<Exception> exceptions{};
};

// Whether `value` is a decimal of so many digits; then `decimal` is set.
bool ToDecimal(double value, unsigned digits, std::int64_t& decimal) {
  const double scaled = std::nearbyint(value * kPowers[digits]);
  if (!(std::abs(scaled) <= 9007199254740992.0)) return false;  // 2^53
  decimal = static_cast<std::int64_t>(scaled);
  return std::bit_cast<std::uint64_t>(static_cast<double>(decimal) / kPowers[digits]) ==
         std::bit_cast<std::uint64_t>(value);
}

// False when too many are no decimals of few digits.
bool FindDecimals(std::span<const Sample> samples, Decimals& decimals) {
  decimals.values.resize(samples.size());
  for (unsigned digits = 0; digits < kPowers.size(); ++digits) {
    decimals.digits = digits;
    decimals.exceptions.clear();
    std::int64_t last = 0;
    std::size_t i = 0;
    for (; i < samples.size(); ++i) {
      if (!ToDecimal(samples[i].value, digits, last)) {
        if (decimals.exceptions.size() == kMostExceptions) break;
        decimals.exceptions.push_back({i, std::bit_cast<std::uint64_t>(samples[i].value)});
        last = i == 0 ? 0 : decimals.values[i - 1];
      }
      decimals.values[i] = last;
    }
    // Exceptions that more digits would make decimals are worth the digits.
    bool finite = false;
    for (const auto& exception : decimals.exceptions)
      finite = finite || (std::isfinite(std::bit_cast<double>(exception.bits)) &&
                          exception.bits != std::bit_cast<std::uint64_t>(-0.0));
    if (i == samples.size() && !finite) return true;
  }
  return false;
}

void PutDecimals(const Decimals& decimals, ValueEncoding& encoding, std::string& to) {
  to += static_cast<char>(decimals.digits);
  PutVarint(to, decimals.exceptions.size());
  std::size_t last = 0;
  for (const auto& exception : decimals.exceptions) {
    PutVarint(to, exception.index - last);
    PutFixed64(to, exception.bits);
    last = exception.index;
  }
  std::vector<std::int64_t> differences(decimals.values.size() - 1);
  for (std::size_t i = 0; i < differences.size(); ++i)
    differences[i] = decimals.values[i + 1] - decimals.values[i];
  encoding = PackedBytes(differences) <= PackedBytes(decimals.values) ? kDifferences : kPlain;
  if (encoding == kDifferences) {
    PutVarint(to, ZigZag(decimals.values[0]));
    PackInts(differences, to);
  } else {
    PackInts(decimals.values, to);
  }
}

std::vector<std::int64_t>& Scratch(std::size_t size) {
  thread_local std::vector<std::int64_t> scratch;
  scratch.resize(size);
  return scratch;
}

struct Header {
  std::uint8_t encodings;
  std::uint64_t count;
  std::int64_t first_time;
  std::int64_t span;  // last time less first
};

bool ReadHeader(std::int64_t window_ms, ByteReader& reader, Header& header) {
  header.encodings = reader.Byte();
  header.count = reader.Varint();
  const std::uint64_t offset = reader.Varint();
  if (!reader.ok() || header.count == 0 || header.count > kMostChunkSamples) return false;
  if (offset > INT32_MAX || (header.encodings & 15) > kSteps) return false;
  header.first_time = WrapAdd(window_ms, static_cast<std::int64_t>(offset));
  header.span = 0;
  if (header.count == 1) return true;
  const std::uint64_t span = reader.Varint();
  if (!reader.ok() || span > INT32_MAX) return false;
  header.span = static_cast<std::int64_t>(span);
  if ((header.encodings & 15) == kRegular)
    header.span *= static_cast<std::int64_t>(header.count - 1);
  return true;
}

bool ReadTimes(const Header& header, ByteReader& reader, std::span<Sample> samples) {
  std::int64_t time = header.first_time;
  samples[0].time_ms = time;
  if (samples.size() == 1) return true;
  if ((header.encodings & 15) == kRegular) {
    const std::int64_t step = header.span / static_cast<std::int64_t>(samples.size() - 1);
    for (Sample& sample : samples) {
      sample.time_ms = time;
      time = WrapAdd(time, step);
    }
    return step > 0;
  }
  std::vector<std::int64_t>& steps = Scratch(samples.size() - 1);
  if (!UnpackInts(reader, steps)) return false;
  std::int64_t least = 1;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    least = std::min(least, steps[i]);
    time = WrapAdd(time, steps[i]);
    samples[i + 1].time_ms = time;
  }
  return least > 0 && time == WrapAdd(header.first_time, header.span);
}

bool ReadDecimals(bool differences, ByteReader& reader, std::span<Sample> samples) {
  const unsigned digits = reader.Byte();
  const std::uint64_t exceptions = reader.Varint();
  if (!reader.ok() || digits >= kPowers.size() || exceptions > kMostExceptions) return false;
  std::array<Decimals::Exception, kMostExceptions> kept{};
  std::uint64_t index = 0;
  for (std::uint64_t i = 0; i < exceptions; ++i) {
    const std::uint64_t more = reader.Varint();
    if (more >= samples.size() || (index += more) >= samples.size()) return false;
    kept[i] = {static_cast<std::size_t>(index), reader.Fixed64()};
  }
  std::vector<std::int64_t>& values = Scratch(samples.size());
  if (differences) {
    values[0] = reader.Signed();
    if (!UnpackInts(reader, std::span(values).subspan(1))) return false;
    std::int64_t value = values[0];
    for (std::size_t i = 1; i < values.size(); ++i) {
      value = WrapAdd(value, values[i]);
      values[i] = value;
    }
  } else if (!UnpackInts(reader, values)) {
    return false;
  }
  if (!reader.ok()) return false;
  if (digits == 0) {
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i].value = static_cast<double>(values[i]);
  } else {
    // Not by multiplying with the inverse: only the division is exact.
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i].value = static_cast<double>(values[i]) / kPowers[digits];
  }
  for (std::uint64_t i = 0; i < exceptions; ++i)
    samples[kept[i].index].value = std::bit_cast<double>(kept[i].bits);
  return true;
}

}  // namespace

std::string EncodeChunk(std::int64_t window_ms, std::span<const Sample> samples) {
  CHECK(!samples.empty() && samples.size() <= kMostChunkSamples, "a chunk has a bounded size");
  CHECK(samples[0].time_ms >= window_ms, "a chunk lies in its window");
  std::string head;
  PutVarint(head, samples.size());
  PutVarint(head, static_cast<std::uint64_t>(samples[0].time_ms - window_ms));
  TimeEncoding times = kRegular;
  if (samples.size() > 1) {
    std::vector<std::int64_t>& steps = Scratch(samples.size() - 1);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      steps[i] = samples[i + 1].time_ms - samples[i].time_ms;
      CHECK(steps[i] > 0, "the times of a chunk ascend");
      if (steps[i] != steps[0]) times = kSteps;
    }
    if (times == kRegular) {
      PutVarint(head, static_cast<std::uint64_t>(steps[0]));
    } else {
      PutVarint(head, static_cast<std::uint64_t>(samples.back().time_ms - samples[0].time_ms));
      PackInts(steps, head);
    }
  }

  ValueEncoding values = kConstant;
  std::string tail;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(samples[0].value);
  bool constant = true;
  for (const Sample& sample : samples)
    constant = constant && std::bit_cast<std::uint64_t>(sample.value) == bits;
  if (constant) {
    PutFixed64(tail, bits);
  } else {
    thread_local Decimals decimals;
    if (FindDecimals(samples, decimals)) PutDecimals(decimals, values, tail);
    // Whole numbers of moderate size leave XOR no chance; for the rest it may be the better one.
    if (tail.empty() || decimals.digits > 0 || tail.size() > samples.size() * 3) {
      std::string other;
      EncodeXor(samples, other);
      if (tail.empty() || other.size() < tail.size()) {
        values = kXorBits;
        tail = std::move(other);
      }
    }
  }
  std::string chunk;
  chunk.reserve(1 + head.size() + tail.size());
  chunk += static_cast<char>(times | values << 4);
  chunk += head;
  chunk += tail;
  return chunk;
}

bool DecodeChunk(std::int64_t window_ms, std::string_view bytes, std::vector<Sample>& samples) {
  ByteReader reader(bytes);
  Header header{};
  if (!ReadHeader(window_ms, reader, header)) return false;
  const std::size_t before = samples.size();
  samples.resize(before + header.count);
  const std::span<Sample> out = std::span(samples).subspan(before);
  bool good = ReadTimes(header, reader, out);
  if (good) {
    switch (header.encodings >> 4) {
      case kConstant: {
        const double value = std::bit_cast<double>(reader.Fixed64());
        for (Sample& sample : out) sample.value = value;
        good = reader.ok();
        break;
      }
      case kDifferences:
        good = ReadDecimals(true, reader, out);
        break;
      case kPlain:
        good = ReadDecimals(false, reader, out);
        break;
      case kXorBits:
        good = DecodeXor(reader.rest(), out);
        break;
      default:
        good = false;
    }
  }
  if (!good) samples.resize(before);
  return good;
}

bool PeekChunk(std::int64_t window_ms, std::string_view bytes, ChunkBounds& bounds) {
  ByteReader reader(bytes);
  Header header{};
  if (!ReadHeader(window_ms, reader, header)) return false;
  bounds = {static_cast<std::size_t>(header.count), header.first_time,
            WrapAdd(header.first_time, header.span)};
  return true;
}

}  // namespace enclave::observatory::store
