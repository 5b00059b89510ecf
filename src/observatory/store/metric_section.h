// The metrics of the store: samples, exemplars and metadata of series.
//
// Samples go as a journal into the database and, once that is durable, into the open chunks in
// memory (metric_head.h); a checkpoint writes the chunks and removes the journal in one atomic
// write. docs/formats/observatory.md draws the keys.
//
// Thread safety: as section.h says. `mutex_` guards the head and the metadata against readers; the
// thread that holds the store's turn is the only one to change them, so it reads them without.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "observatory/store/exemplar_table.h"
#include "observatory/store/fair_mutex.h"
#include "observatory/store/journal.h"
#include "observatory/store/metric_head.h"
#include "observatory/store/ref_table.h"
#include "observatory/store/section.h"

namespace enclave::observatory::store {

inline constexpr std::string_view kIndexFamily = "metrics.index";
inline constexpr std::string_view kJournalFamily = "metrics.journal";
inline constexpr std::string_view kOpenFamily = "metrics.open";
inline constexpr std::string_view kChunkFamily = "metrics.chunks";

class MetricStore final : public MetricSection {
 public:
  explicit MetricStore(const StoreOptions& options);

  // metric_section.cc
  std::vector<FamilyWish> Families() const override;
  void Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
               telemetry::Refused& refused) override;
  void Committed() override;
  void Aborted() override;
  std::size_t PendingBytes() const override { return journal_bytes_; }

  // metric_checkpoint.cc
  base::Result<> Recover(const Database& database) override;
  base::Result<> PrepareCheckpoint(rocksdb::WriteBatch& write) override;
  base::Result<> DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) override;
  std::vector<KeyRange> Dropped(std::int64_t time_ms) const override;
  std::map<std::int64_t, std::uint64_t> BytesByWindow() const override;
  void FillStats(Stats& stats) const override;

  // metric_select.cc
  base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(const telemetry::Matchers& matchers,
                                                             telemetry::TimeRangeMs range) override;

  // metric_labels.cc
  base::Result<std::vector<telemetry::Labels>> Series(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs range,
      std::size_t limit) override;
  base::Result<std::vector<std::string>> LabelNames(const std::vector<telemetry::Matchers>& any_of,
                                                    telemetry::TimeRangeMs range) override;
  base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                     const std::vector<telemetry::Matchers>& any_of,
                                                     telemetry::TimeRangeMs range) override;
  base::Result<std::vector<telemetry::SeriesExemplars>> Exemplars(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs range) override;
  base::Result<std::vector<telemetry::SeriesExemplars>> ExemplarsOf(
      trace::TraceId trace_id) override;
  base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) override;

 private:
  // A series that the write under way brings.
  struct NewSeries {
    SeriesRef ref;
    telemetry::Labels labels;
  };
  enum class Stage : std::uint8_t { kIngest, kCheckpoint, kDrop };

  // The ref of a series whose hash is not known: found by its sorted labels, or begun. An error
  // is why its items are refused.
  base::Result<SeriesRef> Resolve(LabelHash hash, const std::vector<telemetry::LabelView>& labels,
                                  rocksdb::WriteBatch& write);
  // Why a sample whose time is not within `taken_` is refused.
  std::string WhyNot(const telemetry::Sample& sample, std::int64_t now_ms) const;
  void PrepareSeries(telemetry::SeriesWrite& series, LabelHash hash, std::int64_t now_ms,
                     rocksdb::WriteBatch& write, telemetry::Refused& refused);
  void PrepareMetadata(telemetry::Batch& batch, rocksdb::WriteBatch& write);
  void Begin(const NewSeries& series);
  void FinishCheckpoint();
  void FinishDrop();
  base::Result<> RecoverIndex();
  base::Result<> RecoverOpen();
  base::Result<> RecoverJournal();
  bool Active(const Postings& refs, telemetry::TimeRangeMs range) const;

  const StoreOptions options_;
  rocksdb::DB* db_ = nullptr;
  rocksdb::ColumnFamilyHandle* index_family_ = nullptr;
  rocksdb::ColumnFamilyHandle* journal_family_ = nullptr;
  rocksdb::ColumnFamilyHandle* open_family_ = nullptr;
  rocksdb::ColumnFamilyHandle* chunk_family_ = nullptr;

  mutable FairMutex mutex_;
  MetricHead head_;
  std::map<std::string, telemetry::MetricMetadata, std::less<>> metadata_;
  std::uint64_t refused_samples_ = 0;
  std::uint64_t refused_exemplars_ = 0;
  std::uint64_t exemplars_added_ = 0;
  ExemplarTable exemplars_;

  // Of the thread that holds the turn.
  RefTable refs_;
  std::vector<SeriesRef> free_refs_;
  SeriesRef next_ref_ = 0;
  std::uint64_t next_journal_ = 0;
  std::size_t journal_bytes_ = 0;
  Stage stage_ = Stage::kIngest;
  telemetry::TimeRangeMs taken_{};  // times of samples that the write under way takes
  JournalWriter journal_;
  std::string scratch_;
  std::vector<LabelHash> hashes_;
  struct Pending {
    std::vector<SampleOf> samples;
    std::vector<NewSeries> series;
    std::vector<std::pair<std::string, telemetry::MetricMetadata>> metadata;
    std::size_t journal_bytes = 0;
    telemetry::Refused refused;
    std::size_t exemplars = 0;
    std::int64_t drop_ms = 0;
    std::vector<SeriesRef> closed;     // open samples too old to keep
    std::vector<SeriesRef> forgotten;  // series without data
  } pending_;
};

}  // namespace enclave::observatory::store
