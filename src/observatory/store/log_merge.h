// One read of the logs: the records of many blocks and heads merged by time, in either direction,
// each block opened only when its turn comes and skipped when it cannot hold what is wanted.
//
// Thread safety: one thread; what it reads may change meanwhile (it holds heads, and a block that
// retention dropped is as if it were empty).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "observatory/store/log_keys.h"
#include "observatory/store/log_rows.h"
#include "observatory/store/section.h"
#include "telemetry/source.h"

namespace enclave::observatory::store {

// Unpacked at once, by one read: what lies side by side in time in many streams.
inline constexpr std::size_t kMostLogBytesOpen = 256 << 20;

struct LogWant {
  telemetry::TimeRangeNs range{0, INT64_MAX};
  bool backward = false;
  std::vector<std::string> contains{};    // in each line
  std::optional<trace::TraceId> trace{};  // of each record
  // As telemetry::LogQuery::reading; told of every block and head that is opened or skipped.
  std::function<bool(std::size_t lines, std::size_t bytes)> reading{};
};

class LogMerge {
 public:
  // `blocks` and `index` are the families of section "logs"; see log_section.h.
  LogMerge(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* blocks, rocksdb::ColumnFamilyHandle* index,
           LogWant want);

  // Returns a handle for the two below.
  std::size_t AddStream(std::uint32_t id, std::shared_ptr<const telemetry::Labels> labels);
  void AddBlock(std::size_t stream, const LogBlockRef& block);
  void AddPart(std::size_t stream, LogRowsPtr part);

  // kResourceExhausted when more than kMostLogBytesOpen would be open at once.
  base::Result<> Run(const telemetry::LogVisitor& visit);

 private:
  struct Stream {
    std::uint32_t id;
    std::shared_ptr<const telemetry::Labels> labels;
    LogRepeats repeats{};
  };
  struct Source {
    std::size_t stream;
    LogBlockRef block{};  // when there is no part
    LogRowsPtr part{};
    bool open = false;
    std::vector<std::uint32_t> hits{};  // rows, in the order they are visited
    std::size_t next = 0;
    std::size_t held_bytes = 0;
  };
  struct Turn {
    std::int64_t time_ns;
    std::uint64_t seq;
    std::uint32_t stream_id;
    std::size_t source;
  };

  void AddSource(Source source, std::int64_t first_ns, std::int64_t last_ns);
  // Fills hits; none: the source has nothing to give.
  base::Result<> Open(Source& source);
  base::Result<> OpenBlock(Source& source);
  bool InRange(const LogRows& rows, const LogRow& row) const;
  bool Contains(std::string_view line, std::size_t from_needle) const;
  void FindHits(Source& source, bool text_in_order);
  bool Later(const Turn& a, const Turn& b) const;
  void Visit(const Source& source, const telemetry::LogVisitor& visit, bool& go_on);

  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* const blocks_;
  rocksdb::ColumnFamilyHandle* const index_;
  const LogWant want_;
  std::vector<Stream> streams_;
  std::vector<Source> sources_;
  std::vector<Turn> turns_;  // a heap
  std::size_t held_bytes_ = 0;
  std::size_t opened_lines_ = 0;  // by the last Open
  std::size_t opened_bytes_ = 0;
  // The record that visitors see, kept for its memory.
  telemetry::LogRecord record_;
  LogRowsPtr last_part_;  // whose metadata record_ has
  const telemetry::Labels* last_metadata_ = nullptr;
};

}  // namespace enclave::observatory::store
