// How samples are read: a snapshot of what is in memory, joined with the chunks of the database.
#include <algorithm>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include <fmt/format.h>

#include "observatory/store/chunk.h"
#include "observatory/store/coding.h"
#include "observatory/store/metric_keys.h"
#include "observatory/store/metric_section.h"

namespace enclave::observatory::store {
namespace {

using base::ErrorKind;
using base::Fail;
using telemetry::Sample;
using telemetry::TimeRangeMs;

std::unexpected<base::Error> DamagedChunk() {
  return Fail(ErrorKind::kInternal,
              "reading samples: a chunk is damaged; restore the directory from a copy");
}

class RocksSnapshot {
 public:
  explicit RocksSnapshot(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  ~RocksSnapshot() { db_->ReleaseSnapshot(snapshot_); }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
};

// Walks the chunks of one window. Series asked for in order of their refs cost one step each.
class WindowCursor {
 public:
  WindowCursor(std::int64_t window_ms) : window_ms_(window_ms) {}

  std::int64_t window_ms() const { return window_ms_; }
  // Stands at the first chunk of the series, if it has any.
  void Seek(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, const rocksdb::Snapshot* snapshot,
            SeriesRef ref) {
    constexpr int kMostSteps = 16;  // a seek costs about so much
    const std::uint32_t key = WindowKey(window_ms_);
    if (!at_) {
      end_ = ChunkKey(key + 1, 0, 0);
      bound_ = end_;
      rocksdb::ReadOptions options;
      options.snapshot = snapshot;
      options.iterate_upper_bound = &bound_;
      at_.reset(db->NewIterator(options, family));
      at_->Seek(ChunkKey(key, ref, 0));
      asked_ = ref;
      return;
    }
    const bool back = ref <= asked_;
    asked_ = ref;
    if (!back) {
      for (int step = 0; step < kMostSteps; ++step) {
        if (!at_->Valid() || Ref() >= ref) return;
        at_->Next();
      }
      if (!at_->Valid() || Ref() >= ref) return;
    }
    at_->Seek(ChunkKey(key, ref, 0));
  }
  bool At(SeriesRef ref) const { return at_->Valid() && Ref() == ref; }
  std::uint32_t id() const { return GetBe32(at_->key().data() + 8); }
  std::string_view chunk() const { return at_->value().ToStringView(); }
  void Next() { at_->Next(); }
  rocksdb::Status status() const { return at_->status(); }

 private:
  SeriesRef Ref() const { return GetBe32(at_->key().data() + 4); }

  std::int64_t window_ms_;
  std::string end_;
  rocksdb::Slice bound_;
  std::unique_ptr<rocksdb::Iterator> at_;
  SeriesRef asked_ = 0;
};

// What is in memory of one series, as it was when it was selected.
struct Selected {
  SeriesRef ref;
  std::uint32_t head_id = 0;
  std::uint32_t head_count = 0;
  std::uint32_t head_bytes = 0;
  std::size_t head_at = 0;  // in `heads`
  std::int64_t head_first = 0;
  std::size_t sealed_at = 0;
  std::uint32_t sealed_count = 0;
  std::uint32_t late_count = 0;
  std::size_t late_at = 0;
};

class SelectedSeries final : public telemetry::SeriesSet {
 public:
  SelectedSeries(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family, TimeRangeMs range)
      : db_(db), family_(family), range_(range) {}

  // Called while the head is locked.
  void TakeSnapshot(const std::vector<std::int64_t>& windows) {
    snapshot_.emplace(db_);
    cursors_.reserve(windows.size());
    for (const std::int64_t window_ms : windows) cursors_.emplace_back(window_ms);
  }
  void Add(SeriesRef ref, const Series& series, telemetry::Labels labels) {
    Selected one;
    one.ref = ref;
    const HeadChunk& head = series.head;
    if (!head.empty() && head.first_time() <= range_.to && head.last_time() >= range_.from) {
      one.head_id = series.head_id;
      one.head_count = static_cast<std::uint32_t>(head.count());
      one.head_first = head.first_time();
      one.head_at = heads_.size();
      one.head_bytes = static_cast<std::uint32_t>(head.bytes().size());
      heads_ += head.bytes();
    }
    if (series.extra) {
      one.sealed_at = sealed_.size();
      for (const SealedChunk& chunk : series.extra->sealed)
        if (chunk.window_ms <= range_.to && chunk.window_ms + kWindowMs > range_.from)
          sealed_.push_back(chunk);
      one.sealed_count = static_cast<std::uint32_t>(sealed_.size() - one.sealed_at);
      one.late_at = late_.size();
      for (const Sample& sample : series.extra->late)
        if (sample.time_ms >= range_.from && sample.time_ms <= range_.to) late_.push_back(sample);
      one.late_count = static_cast<std::uint32_t>(late_.size() - one.late_at);
    }
    selected_.push_back(one);
    labels_.push_back(std::move(labels));
  }

  std::size_t size() const override { return selected_.size(); }
  const telemetry::Labels& labels(std::size_t index) const override { return labels_[index]; }
  base::Result<> Read(std::size_t index, std::vector<Sample>& samples) override;

 private:
  // A piece of `samples` that was appended from one chunk.
  struct Run {
    std::size_t from;
    std::size_t to;
    std::uint64_t id;
  };

  base::Result<> AppendChunk(std::int64_t window_ms, std::uint32_t id, std::string_view bytes,
                             std::vector<Sample>& samples);
  void Close(std::size_t from, std::uint64_t id, const std::vector<Sample>& samples) {
    if (samples.size() > from) runs_.push_back({from, samples.size(), id});
  }
  void Merge(std::vector<Sample>& samples);

  rocksdb::DB* db_;
  rocksdb::ColumnFamilyHandle* family_;
  TimeRangeMs range_;
  std::optional<RocksSnapshot> snapshot_;
  std::vector<WindowCursor> cursors_;  // destroyed before the snapshot
  std::vector<Selected> selected_;
  std::vector<telemetry::Labels> labels_;
  std::string heads_;
  std::vector<SealedChunk> sealed_;
  std::vector<Sample> late_;
  std::vector<Run> runs_;
  struct Merged {
    Sample sample;
    std::uint64_t id;
  };
  std::vector<Merged> merged_;
};

base::Result<> SelectedSeries::AppendChunk(std::int64_t window_ms, std::uint32_t id,
                                           std::string_view bytes, std::vector<Sample>& samples) {
  ChunkBounds bounds{};
  if (!PeekChunk(window_ms, bytes, bounds)) return DamagedChunk();
  if (bounds.first_time > range_.to || bounds.last_time < range_.from) return {};
  const std::size_t from = samples.size();
  if (!DecodeChunk(window_ms, bytes, samples)) return DamagedChunk();
  Close(from, id, samples);
  return {};
}

base::Result<> SelectedSeries::Read(std::size_t index, std::vector<Sample>& samples) {
  const Selected& one = selected_[index];
  samples.clear();
  runs_.clear();
  for (WindowCursor& cursor : cursors_) {
    cursor.Seek(db_, family_, snapshot_->get(), one.ref);
    for (; cursor.At(one.ref); cursor.Next())
      RETURN_IF_ERROR(AppendChunk(cursor.window_ms(), cursor.id(), cursor.chunk(), samples));
    if (!cursor.status().ok()) return Fail(FromRocks(cursor.status(), "reading samples"));
  }
  for (std::uint32_t i = 0; i < one.sealed_count; ++i) {
    const SealedChunk& chunk = sealed_[one.sealed_at + i];
    RETURN_IF_ERROR(AppendChunk(chunk.window_ms, chunk.id, *chunk.bytes, samples));
  }
  if (one.head_count > 0) {
    const std::size_t from = samples.size();
    const std::string_view bytes = std::string_view(heads_).substr(one.head_at, one.head_bytes);
    if (!HeadChunk::Decode(one.head_first, one.head_count, bytes, samples)) return DamagedChunk();
    Close(from, one.head_id, samples);
  }
  if (one.late_count > 0) {
    const std::size_t from = samples.size();
    const auto late = late_.begin() + static_cast<std::ptrdiff_t>(one.late_at);
    samples.insert(samples.end(), late, late + one.late_count);
    Close(from, UINT64_MAX, samples);  // newer than all chunks
  }
  for (std::size_t i = 1; i < runs_.size(); ++i) {
    if (samples[runs_[i].from].time_ms <= samples[runs_[i].from - 1].time_ms) {
      Merge(samples);
      break;
    }
  }
  // Whole chunks were taken: what lies outside the range goes.
  const auto end = std::upper_bound(
      samples.begin(), samples.end(), range_.to,
      [](std::int64_t time, const Sample& sample) { return time < sample.time_ms; });
  samples.erase(end, samples.end());
  samples.erase(samples.begin(),
                std::ranges::lower_bound(samples, range_.from, {}, &Sample::time_ms));
  return {};
}

// Puts runs that overlap in order of time; of the same time the sample of the newest run stays.
void SelectedSeries::Merge(std::vector<Sample>& samples) {
  merged_.clear();
  for (const Run& run : runs_)
    for (std::size_t i = run.from; i < run.to; ++i) merged_.push_back({samples[i], run.id});
  std::ranges::sort(merged_, [](const Merged& a, const Merged& b) {
    return a.sample.time_ms != b.sample.time_ms ? a.sample.time_ms < b.sample.time_ms : a.id < b.id;
  });
  samples.clear();
  for (const Merged& one : merged_) {
    if (!samples.empty() && samples.back().time_ms == one.sample.time_ms)
      samples.back() = one.sample;
    else
      samples.push_back(one.sample);
  }
}

}  // namespace

base::Result<std::unique_ptr<telemetry::SeriesSet>> MetricStore::Select(
    const telemetry::Matchers& matchers, TimeRangeMs range) {
  auto set = std::make_unique<SelectedSeries>(db_, chunk_family_, range);
  const std::shared_lock lock(mutex_);
  Postings refs = head_.table().Select(matchers);
  std::erase_if(refs, [&](SeriesRef ref) { return !head_.MayHave(ref, range); });
  if (refs.size() > options_.limits.selected_series)
    return Fail(
        ErrorKind::kResourceExhausted,
        fmt::format("the selector matches {} series, at most {} are read at once: narrow it",
                    refs.size(), options_.limits.selected_series));
  set->TakeSnapshot(refs.empty() ? std::vector<std::int64_t>() : head_.windows().In(range));
  for (const SeriesRef ref : refs)
    set->Add(ref, head_.table().At(ref), head_.table().LabelsOf(ref));
  return set;
}

}  // namespace enclave::observatory::store
