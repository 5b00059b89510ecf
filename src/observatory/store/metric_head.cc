#include "observatory/store/metric_head.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "observatory/store/chunk.h"
#include "observatory/store/coding.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Sample;

constexpr std::size_t kMostLate = 240;

bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

SeriesExtra& ExtraOf(Series& series) {
  if (!series.extra) series.extra = std::make_unique<SeriesExtra>();
  return *series.extra;
}

}  // namespace

void MetricHead::Apply(SeriesRef ref, Sample sample) {
  Series& series = table_.At(ref);
  ++counts_.samples;
  if (sample.time_ms <= series.newest_ms) {
    ApplyLate(ref, series, sample);
    return;
  }
  if (!series.head.empty()) {
    // The window of the first sample reaches from its start for kWindowMs.
    if (series.head.Full() || sample.time_ms >= WindowStartMs(series.head.first_time()) + kWindowMs)
      SealHead(ref, series);
  }
  if (series.head.empty()) series.head_id = next_chunk_id_++;
  series.head.Append(sample.time_ms, sample.value);
  series.newest_ms = sample.time_ms;
  series.dirty = true;
}

void MetricHead::ApplyLate(SeriesRef ref, Series& series, Sample sample) {
  const std::vector<Sample>* const late = series.extra ? &series.extra->late : nullptr;
  auto at = std::vector<Sample>::const_iterator();
  bool among_late = false;
  if (late != nullptr) {
    at = std::ranges::lower_bound(*late, sample.time_ms, {}, &Sample::time_ms);
    among_late = at != late->end() && at->time_ms == sample.time_ms;
  }
  const HeadChunk& head = series.head;
  bool known = among_late && SameBits(at->value, sample.value);
  if (!among_late && !head.empty() && sample.time_ms >= head.first_time()) {
    if (sample.time_ms == head.last_time()) {
      known = SameBits(head.last_value(), sample.value);
    } else {
      scratch_.clear();
      CHECK(HeadChunk::Decode(head.first_time(), head.count(), head.bytes(), scratch_),
            "an open chunk can be read");
      const auto there = std::ranges::lower_bound(scratch_, sample.time_ms, {}, &Sample::time_ms);
      known = there != scratch_.end() && there->time_ms == sample.time_ms &&
              SameBits(there->value, sample.value);
    }
  }
  if (known) {
    ++counts_.duplicates;
    return;
  }
  ++counts_.late;
  series.dirty = true;
  SeriesExtra& extra = ExtraOf(series);
  if (among_late) {
    extra.late[static_cast<std::size_t>(at - late->begin())].value = sample.value;
  } else {
    extra.late.insert(std::ranges::lower_bound(extra.late, sample.time_ms, {}, &Sample::time_ms),
                      sample);
    if (extra.late.size() >= kMostLate) SealLate(ref, series);
  }
}

void MetricHead::SealHead(SeriesRef ref, Series& series) {
  scratch_.clear();
  CHECK(HeadChunk::Decode(series.head.first_time(), series.head.count(), series.head.bytes(),
                          scratch_),
        "an open chunk can be read");
  AddSealed(ref, series, series.head_id, scratch_);
  series.head.Clear();
}

void MetricHead::SealLate(SeriesRef ref, Series& series) {
  const std::vector<Sample> late = std::move(series.extra->late);
  series.extra->late.clear();
  for (std::size_t from = 0; from < late.size();) {
    const std::int64_t end = WindowStartMs(late[from].time_ms) + kWindowMs;
    std::size_t to = from;
    while (to < late.size() && late[to].time_ms < end) ++to;
    AddSealed(ref, series, next_chunk_id_++, std::span(late).subspan(from, to - from));
    from = to;
  }
}

void MetricHead::AddSealed(SeriesRef ref, Series& series, std::uint32_t id,
                           std::span<const Sample> samples) {
  const std::int64_t window_ms = WindowStartMs(samples[0].time_ms);
  auto bytes = std::make_shared<const std::string>(EncodeChunk(window_ms, samples));
  windows_.Add(window_ms, ref, bytes->size());
  ++counts_.chunks;
  counts_.chunk_bytes += bytes->size();
  ExtraOf(series).sealed.push_back({window_ms, id, std::move(bytes)});
}

bool MetricHead::MayHave(SeriesRef ref, telemetry::TimeRangeMs range) const {
  const Series& series = table_.At(ref);
  if (!series.head.empty() && series.head.first_time() <= range.to &&
      series.head.last_time() >= range.from)
    return true;
  if (series.extra && !series.extra->late.empty() &&
      series.extra->late.front().time_ms <= range.to &&
      series.extra->late.back().time_ms >= range.from)
    return true;
  return windows_.Has(ref, range);
}

bool MetricHead::HasOpen(const Series& series) {
  return !series.head.empty() || (series.extra && !series.extra->late.empty());
}

void MetricHead::EncodeOpen(const Series& series, std::string& to) {
  PutVarint(to, ZigZag(series.newest_ms));
  PutVarint(to, series.head_id);
  PutVarint(to, series.head.count());
  if (!series.head.empty()) {
    PutVarint(to, ZigZag(series.head.first_time()));
    PutText(to, series.head.bytes());
  }
  const std::size_t late = series.extra ? series.extra->late.size() : 0;
  PutVarint(to, late);
  std::int64_t last = 0;
  for (std::size_t i = 0; i < late; ++i) {
    const Sample& sample = series.extra->late[i];
    PutVarint(to, ZigZag(WrapSub(sample.time_ms, last)));
    PutFixed64(to, std::bit_cast<std::uint64_t>(sample.value));
    last = sample.time_ms;
  }
}

bool MetricHead::DecodeOpen(std::string_view bytes, Series& series) {
  ByteReader reader(bytes);
  const std::int64_t newest = reader.Signed();
  const std::uint64_t id = reader.Varint();
  const std::uint64_t count = reader.Varint();
  if (!reader.ok() || id > UINT32_MAX || count > HeadChunk::kMostSamples) return false;
  HeadChunk head;
  std::vector<Sample> samples;
  if (count > 0) {
    const std::int64_t first = reader.Signed();
    if (!HeadChunk::Decode(first, count, reader.Text(), samples)) return false;
    if (first < kEarliestMs || samples.back().time_ms >= WindowStartMs(first) + kWindowMs ||
        first > kLatestMs)
      return false;
    for (const Sample& sample : samples) {
      if (head.Full()) return false;
      head.Append(sample.time_ms, sample.value);
    }
  }
  const std::uint64_t late = reader.Varint();
  if (!reader.ok() || late > kMostLate) return false;
  samples.clear();
  std::int64_t last = 0;
  for (std::uint64_t i = 0; i < late; ++i) {
    const std::int64_t time = WrapAdd(last, reader.Signed());
    const double value = std::bit_cast<double>(reader.Fixed64());
    if (!reader.ok() || (i > 0 && time <= last) || time < kEarliestMs || time > kLatestMs)
      return false;
    samples.push_back({time, value});
    last = time;
  }
  if (!reader.ok() || !reader.AtEnd()) return false;
  series.newest_ms = newest;
  series.head_id = static_cast<std::uint32_t>(id);
  series.head = std::move(head);
  if (late > 0) ExtraOf(series).late = std::move(samples);
  return true;
}

}  // namespace enclave::observatory::store
