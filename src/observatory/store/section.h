// The seam between the database and the three kinds of telemetry kept in it. A section (metrics,
// logs, spans) owns column families, adds its bytes to the one atomic write of each ingest, and
// answers reads; the store owns the database, the order of writes, and what happens when.
//
// The life of a section:
//
//   Families -> Recover -> { Prepare* -> (write) -> Committed | Aborted
//                          | PrepareCheckpoint -> (write) -> Committed | Aborted
//                          | DropBefore -> (write) -> Committed | Aborted }*
//
// Thread safety: all of these are called by one thread at a time (the one that holds the store's
// turn), so what only they touch needs no lock. Reads (the section's MetricSource, LogSource or
// TraceSource), BytesByWindow and FillStats come from any thread at the same time: what both sides
// touch the section guards, and it changes what reads see only in Committed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "base/result.h"
#include "observatory/store/options.h"
#include "observatory/store/stats.h"
#include "telemetry/sink.h"
#include "telemetry/source.h"

namespace enclave::observatory::store {

// A column family that a section wants.
struct FamilyWish {
  std::string name;  // unique in the database: begin with the section's noun, e.g. "logs.blocks"
  rocksdb::CompressionType compression = rocksdb::kNoCompression;
  std::size_t block_bytes = 16 << 10;
  bool bloom = false;  // for families that are asked for single keys
};

// The open database, for sections: valid from Recover until the section is destroyed.
struct Database {
  rocksdb::DB* db = nullptr;
  std::map<std::string, rocksdb::ColumnFamilyHandle*, std::less<>> families{};

  rocksdb::ColumnFamilyHandle* Family(std::string_view name) const;  // CHECKs that it is there
};

// "while doing: what RocksDB says": kUnavailable for a full or failing disk, else kInternal.
base::Error FromRocks(const rocksdb::Status& status, std::string_view doing);

class Section {
 public:
  virtual ~Section() = default;

  virtual std::vector<FamilyWish> Families() const = 0;
  // Reads what is kept. Called once, before anything else.
  virtual base::Result<> Recover(const Database& database) = 0;

  // Adds what `batch` brings for this section to `write`, and counts into `refused` the items that
  // it will not take. May move out of its own part of `batch` only (series and metadata; streams;
  // spans); what labels point into lives until Committed or Aborted. Called once or several times
  // before one write; a later call sees what earlier ones prepared. `now_ms` is the wall clock.
  virtual void Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
                       telemetry::Refused& refused) = 0;
  // The write is durable: all that was prepared becomes visible to reads.
  virtual void Committed() = 0;
  // The write failed: all that was prepared since the last Committed or Aborted is forgotten.
  virtual void Aborted() = 0;

  // Bytes in the database that a restart would have to replay, or that memory holds for a later,
  // better encoding. The store takes a checkpoint of all sections when the sum passes its bound.
  virtual std::size_t PendingBytes() const = 0;
  // Adds to `write` whatever lets that be forgotten. Nothing else is prepared with it.
  virtual base::Result<> PrepareCheckpoint(rocksdb::WriteBatch& write) = 0;

  // Adds the removal of all windows that end at or before `time_ms` (a multiple of kWindowMs), and
  // of what has no data left by it.
  virtual base::Result<> DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) = 0;
  // After such a removal is committed: families and key ranges whose files are worth compacting.
  struct KeyRange {
    rocksdb::ColumnFamilyHandle* family;
    std::string from;
    std::string to;
  };
  virtual std::vector<KeyRange> Dropped(std::int64_t time_ms) const = 0;

  // Bytes kept by window (its start in ms, a multiple of kWindowMs).
  virtual std::map<std::int64_t, std::uint64_t> BytesByWindow() const = 0;
  virtual void FillStats(Stats& stats) const = 0;
};

// What the store holds of each kind.
class MetricSection : public Section, public telemetry::MetricSource {};
class LogSection : public Section, public telemetry::LogSource {};
class TraceSection : public Section, public telemetry::TraceSource {};

// metric_section.cc, log_section.cc, span_section.cc.
std::unique_ptr<MetricSection> CreateMetricSection(const StoreOptions& options);
std::unique_ptr<LogSection> CreateLogSection(const StoreOptions& options);
std::unique_ptr<TraceSection> CreateTraceSection(const StoreOptions& options);

}  // namespace enclave::observatory::store
