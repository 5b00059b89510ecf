// The spans of the store: kept by trace, found by service, operation, status and duration through
// an index. docs/formats/observatory-logs-and-spans.md draws what is on disk.
//
// Families, all keys with the window of the span's start in front:
//   spans.spans  window, trace id, start, span id: the span
//   spans.index  window, number of service and operation, start, trace id, span id: duration,
//   status spans.names  window, o, number: service and operation; window, r, number: a resource
//
// A span that is sent again takes the place of the first (same trace, span id and start). When it
// was sent again with another duration, the index finds it by its last only.
//
// Every write is complete in itself: nothing is replayed, and nothing waits for a checkpoint.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "observatory/store/section.h"

namespace enclave::observatory::store {

// Of one window. Beyond, spans are filed under "any operation of the service", then under "any".
inline constexpr std::size_t kMostOperations = 10'000;
inline constexpr std::size_t kMostResources = 20'000;  // beyond, spans carry their own
inline constexpr std::size_t kMostSpansOfTrace = 200'000;
inline constexpr std::size_t kMostSpansScanned = 5'000'000;  // index entries, for one search
// A visit of fewer spans than these goes through the index.
inline constexpr std::size_t kMostSpansByIndex = 4'000;
inline constexpr std::size_t kMostSpansRead = 1'000'000;  // spans compared with tags, for one

class Spans final : public TraceSection {
 public:
  explicit Spans(const StoreOptions& options) : options_(options) {}

  std::vector<FamilyWish> Families() const override;
  base::Result<> Recover(const Database& database) override;
  void Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
               telemetry::Refused& refused) override;
  void Committed() override;
  void Aborted() override { pending_ = {}; }
  std::size_t PendingBytes() const override { return 0; }
  base::Result<> PrepareCheckpoint(rocksdb::WriteBatch&) override { return {}; }
  base::Result<> DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) override;
  std::vector<KeyRange> Dropped(std::int64_t time_ms) const override;
  std::map<std::int64_t, std::uint64_t> BytesByWindow() const override;
  void FillStats(Stats& stats) const override;

  // In order of the keys: by window, within it by trace. Reads blocks ahead and past the cache; a
  // range that is a sliver of its window is read through the index instead.
  base::Result<> Visit(telemetry::TimeRangeNs range, const telemetry::SpanVisitor& visit) override;
  base::Result<std::vector<telemetry::Span>> Trace(trace::TraceId trace_id) override;
  base::Result<std::vector<telemetry::Span>> FindSpans(const telemetry::SpanQuery& query) override;
  base::Result<std::vector<std::string>> Services(telemetry::TimeRangeNs range) override;
  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    telemetry::TimeRangeNs range) override;

 private:
  struct Operation {
    std::string service{};
    std::string name{};
    bool any_name = false;     // the others of this service
    bool any_service = false;  // the others of all services
  };
  struct Resource {
    std::string bytes{};
    telemetry::Attributes attributes{};
  };
  struct Window {
    std::map<std::uint64_t, std::shared_ptr<const Operation>> operations{};
    std::set<std::uint64_t> resources{};
  };
  using ResourceMap = std::unordered_map<std::uint64_t, std::shared_ptr<const Resource>>;
  struct Pending {
    std::map<std::uint32_t, Window> windows{};
    ResourceMap resources{};
    std::optional<std::uint32_t> first_window{};
    std::uint64_t spans = 0;
    std::uint64_t refused = 0;
  };
  // Where an index entry points.
  struct Found {
    std::int64_t start_ns;
    std::string key;  // of the span
    std::int64_t duration_ns;
    telemetry::SpanStatus status;
  };
  class Search;
  class Reader;

  // Writing, on the store's turn.
  std::uint64_t OperationOf(std::uint32_t window, const std::string& service,
                            const std::string& name, rocksdb::WriteBatch& write);
  bool FileOperation(std::uint32_t window, std::uint64_t number, const Operation& operation,
                     rocksdb::WriteBatch& write, std::size_t most);
  std::optional<std::uint64_t> ResourceOf(std::uint32_t window,
                                          const telemetry::Attributes& resource,
                                          rocksdb::WriteBatch& write);

  base::Result<telemetry::Span> Decode(std::string_view key, std::string_view value) const;
  // Windows that overlap the range, from mutex_'s data.
  std::vector<std::pair<std::uint32_t, Window>> WindowsIn(telemetry::TimeRangeNs range) const;

  const StoreOptions options_;
  rocksdb::DB* db_ = nullptr;
  rocksdb::ColumnFamilyHandle* spans_ = nullptr;
  rocksdb::ColumnFamilyHandle* index_ = nullptr;
  rocksdb::ColumnFamilyHandle* names_ = nullptr;

  Pending pending_;  // of the writing side alone

  mutable std::shared_mutex mutex_;  // guards what follows; only Committed writes it
  std::map<std::uint32_t, Window> windows_;
  ResourceMap resources_;
  std::uint32_t first_window_ = 0;  // what is before it is dropped
  std::uint64_t written_spans_ = 0;
  std::uint64_t refused_spans_ = 0;
};

}  // namespace enclave::observatory::store
