// Log records of one stream in memory: sorted by time, packed into few allocations, never changed
// once built, so that readers share them without a lock. The open heads of streams and decoded
// blocks are both made of these.
//
// Thread safety: const methods from any thread; a builder from one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "telemetry/labels.h"
#include "telemetry/log_record.h"

namespace enclave::observatory::store {

struct LogRow {
  std::int64_t time_ns;
  std::uint64_t seq;       // number of the write that brought it: the order of arrival
  std::uint32_t offset;    // of the line in LogRows::text
  std::uint32_t length;    // of the line
  std::uint32_t metadata;  // index + 1 in LogRows::metadata; 0: none
  std::uint32_t ids;       // index + 1 in LogRows::ids; 0: none
};

struct LogIds {
  std::optional<trace::TraceId> trace{};
  std::optional<trace::SpanId> span{};
};

// nullopt for zero.
std::optional<trace::TraceId> TraceIdOf(std::uint64_t high, std::uint64_t low);
std::optional<trace::SpanId> SpanIdOf(std::uint64_t value);

// Invariants: rows are sorted by (time, seq); no two are the same record.
struct LogRows {
  std::vector<LogRow> rows{};
  std::string text{};
  std::vector<telemetry::Labels> metadata{};
  std::vector<LogIds> ids{};

  std::string_view Line(const LogRow& row) const {
    return std::string_view(text).substr(row.offset, row.length);
  }
  const telemetry::Labels* MetadataOf(const LogRow& row) const {
    return row.metadata == 0 ? nullptr : &metadata[row.metadata - 1];
  }
  const LogIds* IdsOf(const LogRow& row) const {
    return row.ids == 0 ? nullptr : &ids[row.ids - 1];
  }
  // Of line, metadata and ids: two records of one stream and one time with equal hashes are taken
  // for the same record, sent twice.
  std::uint64_t Hash(const LogRow& row) const;
  std::size_t Bytes() const;  // in memory, about
};

using LogRowsPtr = std::shared_ptr<const LogRows>;

class LogRowsBuilder {
 public:
  // `metadata` may be null. Lines together stay below 4 GiB (CHECKed).
  void Add(std::int64_t time_ns, std::uint64_t seq, std::string_view line,
           const telemetry::Labels* metadata, const LogIds& ids);
  void Add(const LogRows& from, const LogRow& row);
  std::size_t size() const { return rows_.rows.size(); }
  // Sorts and drops what is there twice (the first to arrive stays); the builder is empty again.
  LogRows Finish();

 private:
  LogRows rows_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> known_;  // hash of metadata -> index + 1
};

// All rows of all parts in one.
LogRows MergeLogRows(const std::vector<LogRowsPtr>& parts);

// Drops records that are there twice among those of one stream that come by time.
class LogRepeats {
 public:
  // Whether the same record came before. Times never go back and forth.
  bool Seen(const LogRows& rows, const LogRow& row);

 private:
  std::int64_t time_ns_ = 0;
  std::vector<std::uint64_t> hashes_;  // sorted; of the records at time_ns_
};

}  // namespace enclave::observatory::store
