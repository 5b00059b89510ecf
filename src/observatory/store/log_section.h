// The logs of the store. A record goes into the journal, in the one atomic write of its batch, and
// into the open head of its stream in memory; heads that are full or old are sealed into compressed
// blocks by a later write. docs/formats/observatory-logs-and-spans.md draws what is on disk.
//
// Families:
//   logs.meta     s|stream: its labels; h|stream: the head as of the last checkpoint; n: counters
//   logs.journal  number of the write: its records, until the next checkpoint
//   logs.index    i|block key: figures of a block; f|block key: its text filter
//   logs.blocks   block key (window, stream, first time, number): columns and lines, compressed
//   logs.traces   window, trace id, then stream, first time and number of a block that has it
//
// Records of any time are taken, in any order, that retention has not passed and that are not
// further ahead of the clock than the limits allow. Of records of one stream with equal time, line,
// metadata and ids the first stays: within a head when it is merged, elsewhere when it is read.
#pragma once

#include <map>
#include <set>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "observatory/store/log_merge.h"
#include "observatory/store/log_streams.h"
#include "observatory/store/section.h"

namespace enclave::observatory::store {

// Of the heads' memory that a checkpoint leaves open; the fullest heads are sealed.
inline constexpr std::size_t kMostLogHeadBytes = 16 << 20;
inline constexpr std::int64_t kLogHeadAgeMs = 30LL * 60 * 1000;  // older heads are sealed

class Logs final : public LogSection {
 public:
  explicit Logs(const StoreOptions& options) : options_(options) {}

  std::vector<FamilyWish> Families() const override;
  base::Result<> Recover(const Database& database) override;
  void Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
               telemetry::Refused& refused) override;
  void Committed() override;
  void Aborted() override;
  std::size_t PendingBytes() const override { return journal_bytes_; }
  base::Result<> PrepareCheckpoint(rocksdb::WriteBatch& write) override;
  base::Result<> DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) override;
  std::vector<KeyRange> Dropped(std::int64_t time_ms) const override;
  std::map<std::int64_t, std::uint64_t> BytesByWindow() const override;
  void FillStats(Stats& stats) const override;

  base::Result<> Query(const telemetry::LogQuery& query,
                       const telemetry::LogVisitor& visit) override;
  base::Result<> OfTrace(trace::TraceId trace_id, const telemetry::LogVisitor& visit) override;
  base::Result<std::vector<telemetry::Labels>> Streams(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeNs range,
      std::size_t limit) override;
  base::Result<std::vector<std::string>> StreamLabelNames(telemetry::TimeRangeNs range) override;
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                           telemetry::TimeRangeNs range) override;

 private:
  // What the write being prepared changes in one stream.
  struct Change {
    std::uint32_t id = 0;
    std::optional<telemetry::Labels> created{};
    bool removed = false;
    bool cleared = false;  // what the head had is in blocks, or gone
    bool kept = false;     // what the head has is in the database apart from the journal
    std::vector<LogRowsPtr> parts{};
    std::size_t bytes = 0;
    std::size_t lines = 0;
    std::vector<LogBlockRef> blocks{};
  };
  struct Pending {
    std::map<std::uint32_t, Change> changes{};
    std::unordered_map<telemetry::Labels, std::uint32_t, telemetry::LabelsHash> created{};
    std::size_t journal_bytes = 0;
    bool checkpoint = false;
    std::optional<std::uint32_t> first_window{};
    std::uint64_t records = 0;
    std::uint64_t record_bytes = 0;
  };

  // Writing, on the store's turn.
  Change& ChangeOf(std::uint32_t id);
  std::optional<std::uint32_t> StreamId(telemetry::Labels& labels, rocksdb::WriteBatch& write,
                                        std::string& why);
  std::optional<std::string> WhyNot(const telemetry::LogRecord& record,
                                    telemetry::TimeRangeNs range) const;
  // The head with what is pending for it.
  std::vector<LogRowsPtr> Head(const Change& change);
  void Seal(Change& change, rocksdb::WriteBatch& write);
  void SealBlock(Change& change, const LogRows& rows, std::size_t first, std::size_t last,
                 rocksdb::WriteBatch& write);
  void Apply(Change& change);
  static void AppendPart(LogStream& stream, LogRowsPtr part);

  // Recover's parts.
  base::Result<> ReadMeta(std::map<std::uint32_t, std::uint64_t>& covered);
  base::Result<> ReadIndex();
  base::Result<> ReadJournal(const std::map<std::uint32_t, std::uint64_t>& covered);

  telemetry::TimeRangeNs Visible(telemetry::TimeRangeNs range) const;
  std::int64_t FloorNs() const { return first_window_ * kWindowNs; }

  const StoreOptions options_;
  rocksdb::DB* db_ = nullptr;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
  rocksdb::ColumnFamilyHandle* journal_ = nullptr;
  rocksdb::ColumnFamilyHandle* index_ = nullptr;
  rocksdb::ColumnFamilyHandle* blocks_ = nullptr;
  rocksdb::ColumnFamilyHandle* traces_ = nullptr;

  // Of the writing side alone.
  Pending pending_;
  std::uint64_t next_seq_ = 1;
  std::uint64_t next_block_ = 1;
  std::uint32_t next_stream_ = 1;
  std::int64_t now_ms_ = 0;
  std::size_t journal_bytes_ = 0;

  mutable std::shared_mutex mutex_;  // guards what follows; only Committed writes it
  LogStreams streams_;
  std::map<std::uint32_t, std::uint64_t> window_bytes_;
  std::uint32_t first_window_ = 0;  // what is before it is dropped
  std::uint64_t records_ = 0;
  std::uint64_t record_bytes_ = 0;
  std::uint64_t refused_records_ = 0;
};

}  // namespace enclave::observatory::store
