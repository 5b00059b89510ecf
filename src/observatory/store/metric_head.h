// What is in memory of the samples: the open chunk of each series, chunks that were sealed since
// the last checkpoint, and samples that came late.
//
// Times and values: samples of a series lie in its open chunk in order of time; one that is not
// newer than the newest goes among the late ones. Of two samples with the same time the one written
// last is what reads see; the same value again changes nothing.
//
// The order of chunks says which was written last: an open chunk gets its id when it is begun, late
// samples when they are sealed, and of two chunks with the same time the greater id holds. The same
// samples applied in the same order to the same state give the same ids, so that a replay after a
// crash writes over what it had written before.
//
// Thread safety: none; const methods may run at the same time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "observatory/store/series_table.h"
#include "observatory/store/windows.h"
#include "telemetry/metric.h"

namespace enclave::observatory::store {

class MetricHead {
 public:
  SeriesTable& table() { return table_; }
  const SeriesTable& table() const { return table_; }
  Windows& windows() { return windows_; }
  const Windows& windows() const { return windows_; }
  std::uint32_t next_chunk_id() const { return next_chunk_id_; }
  void set_next_chunk_id(std::uint32_t id) { next_chunk_id_ = id; }

  // The time lies within kEarliestMs and kLatestMs.
  void Apply(SeriesRef ref, telemetry::Sample sample);
  // Whether the series may have samples in the range.
  bool MayHave(SeriesRef ref, telemetry::TimeRangeMs range) const;

  // What a checkpoint keeps of a series that has anything open: zigzag varint, the newest time;
  // the open chunk: varint id, varint count and, if any, zigzag varint, the first time, and its
  // bytes with their length; late samples: varint count, each a zigzag varint, its time less that
  // of the one before, and eight bytes.
  static bool HasOpen(const Series& series);
  static void EncodeOpen(const Series& series, std::string& to);
  // False when the bytes are no such state; the series is then as it was.
  static bool DecodeOpen(std::string_view bytes, Series& series);

  struct Counts {
    std::uint64_t samples = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t late = 0;
    std::uint64_t chunks = 0;
    std::uint64_t chunk_bytes = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  void ApplyLate(SeriesRef ref, Series& series, telemetry::Sample sample);
  void SealHead(SeriesRef ref, Series& series);
  void SealLate(SeriesRef ref, Series& series);
  void AddSealed(SeriesRef ref, Series& series, std::uint32_t id,
                 std::span<const telemetry::Sample> samples);

  SeriesTable table_;
  Windows windows_;
  std::uint32_t next_chunk_id_ = 1;
  Counts counts_;
  std::vector<telemetry::Sample> scratch_;
};

}  // namespace enclave::observatory::store
