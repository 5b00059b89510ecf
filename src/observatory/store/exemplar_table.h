// Exemplars: the newest few of each series, found by series and by trace.
//
// They live in the database alone; memory holds which there are, so that an old one goes when a new
// one comes. That list may be ahead of the database after a write that failed: what is listed and
// not there is passed over.
//
// Keys: 'e' series (be32) time (be64, the sign bit flipped), and 't' trace (two be64) series time,
// without a value. An exemplar: eight bytes, its value; byte, 1 when it has a trace, 2 when it has
// a span; their bits, eight bytes each, of the trace the upper half first; varint, how many labels,
// each its name and its value with their lengths.
//
// Thread safety: Recover, Add to Forget by one thread at a time, the rest by any.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <rocksdb/write_batch.h>

#include "base/result.h"
#include "observatory/store/journal.h"
#include "observatory/store/section.h"
#include "telemetry/metric.h"

namespace enclave::observatory::store {

inline constexpr std::string_view kExemplarFamily = "metrics.exemplars";

class ExemplarTable {
 public:
  explicit ExemplarTable(std::size_t per_series) : per_series_(per_series) {}

  base::Result<> Recover(const Database& database);
  // False when it is there already, or older than all that are kept of a series that is full.
  bool Add(SeriesRef ref, const telemetry::Exemplar& exemplar, rocksdb::WriteBatch& write);
  void Committed() { added_.clear(); }
  void Aborted();  // what was added since is not there
  void DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write);
  void Forget(SeriesRef ref, rocksdb::WriteBatch& write);

  bool Has(SeriesRef ref) const;
  base::Result<std::vector<telemetry::Exemplar>> Of(SeriesRef ref,
                                                    telemetry::TimeRangeMs range) const;
  // With the series of each.
  base::Result<std::vector<std::pair<SeriesRef, telemetry::Exemplar>>> OfTrace(
      trace::TraceId trace) const;

 private:
  struct Kept {
    std::int64_t time_ms;
    std::uint64_t trace_high;  // both zero: no trace
    std::uint64_t trace_low;
  };

  void Remove(SeriesRef ref, const Kept& kept, rocksdb::WriteBatch& write) const;

  const std::size_t per_series_;
  rocksdb::DB* db_ = nullptr;
  rocksdb::ColumnFamilyHandle* family_ = nullptr;
  std::vector<std::pair<SeriesRef, std::int64_t>> added_;
  mutable std::mutex mutex_;
  std::unordered_map<SeriesRef, std::vector<Kept>> kept_;  // by time
};

std::string EncodeExemplar(const telemetry::Exemplar& exemplar);
// False when the bytes are no exemplar.
bool DecodeExemplar(std::int64_t time_ms, std::string_view bytes, telemetry::Exemplar& exemplar);

}  // namespace enclave::observatory::store
