#include "observatory/store/journal.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "observatory/store/head_chunk.h"

namespace enclave::observatory::store {
namespace {

constexpr std::uint8_t kJournalVersion = 1;
constexpr std::size_t kMostEntryBytes = 2 * kMostVarintBytes;
constexpr double kMostJournalInteger = 4503599627370496.0;  // 2^52

}  // namespace

void JournalWriter::Clear() {
  size_ = 0;
  next_ref_ = 0;
  last_time_ = 0;
}

std::uint8_t* JournalWriter::Room() {
  if (bytes_.size() < size_ + 1 + kMostEntryBytes)
    bytes_.resize(std::max<std::size_t>(4096, bytes_.size() * 2));
  auto* to = reinterpret_cast<std::uint8_t*>(bytes_.data()) + size_;
  if (size_ == 0) *to++ = kJournalVersion;
  return to;
}

void JournalWriter::Used(const std::uint8_t* end) {
  size_ = static_cast<std::size_t>(end - reinterpret_cast<const std::uint8_t*>(bytes_.data()));
}

void JournalWriter::Run(SeriesRef ref, std::size_t count) {
  std::uint8_t* to = Room();
  to = PutVarint(to, ZigZag(static_cast<std::int64_t>(ref) - next_ref_));
  Used(PutVarint(to, count));
  next_ref_ = static_cast<std::int64_t>(ref) + 1;
}

void JournalWriter::Add(telemetry::Sample sample) {
  std::uint8_t* to = Room();
  to = PutVarint(to, ZigZag(WrapSub(sample.time_ms, last_time_)));
  last_time_ = sample.time_ms;
  if (IsInteger(sample.value) && std::abs(sample.value) < kMostJournalInteger) {
    to = PutVarint(to, 2 * ZigZag(static_cast<std::int64_t>(sample.value)));
  } else {
    *to++ = 1;
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(sample.value);
    std::memcpy(to, &bits, sizeof bits);
    to += sizeof bits;
  }
  Used(to);
}

bool ReadJournal(std::string_view bytes, std::vector<SampleOf>& samples) {
  ByteReader reader(bytes);
  if (reader.Byte() != kJournalVersion) return false;
  std::int64_t ref = 0;
  std::int64_t time = 0;
  while (reader.ok() && !reader.AtEnd()) {
    ref = WrapAdd(ref, reader.Signed());
    const std::uint64_t count = reader.Varint();
    if (!reader.ok() || ref < 0 || ref > UINT32_MAX || count == 0 || count > reader.left())
      return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      time = WrapAdd(time, reader.Signed());
      const std::uint64_t value = reader.Varint();
      double number = 0;
      if (value == 1)
        number = std::bit_cast<double>(reader.Fixed64());
      else if ((value & 1) == 0)
        number = static_cast<double>(UnZigZag(value / 2));
      else
        return false;
      if (!reader.ok()) return false;
      samples.push_back({static_cast<SeriesRef>(ref), {time, number}});
    }
    ++ref;
  }
  return reader.ok();
}

}  // namespace enclave::observatory::store
