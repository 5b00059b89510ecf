#include "observatory/store/store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "observatory/store/rocks_database.h"
#include "observatory/store/section.h"
#include "observatory/store/turn_queue.h"

namespace enclave::observatory::store {
namespace {

using base::ErrorKind;
using base::Fail;
using telemetry::Refused;

constexpr std::size_t kMostGroupItems = 200'000;
// Between two attempts to leave the state of a failed disk.
constexpr base::Duration kResumeEvery = std::chrono::seconds(1);
// Between two looks, after writes, whether the retention drops something.
constexpr base::Duration kRetentionEvery = std::chrono::minutes(1);

std::size_t CountItems(const telemetry::Batch& batch) {
  std::size_t items = batch.spans.size() + batch.metadata.size();
  for (const auto& series : batch.series) items += series.samples.size() + series.exemplars.size();
  for (const auto& stream : batch.streams) items += stream.records.size();
  return items;
}

class StoreImpl final : public Store, private telemetry::Sink {
 public:
  StoreImpl(StoreOptions options, base::Clock& clock)
      : options_(std::move(options)),
        clock_(clock),
        metrics_(CreateMetricSection(options_)),
        logs_(CreateLogSection(options_)),
        traces_(CreateTraceSection(options_)),
        sections_{metrics_.get(), logs_.get(), traces_.get()},
        queue_(options_.queued_batches, options_.queued_items, kMostGroupItems,
               [this](std::vector<QueuedWrite*>& group) { CommitGroup(group); }) {}
  ~StoreImpl() override;

  base::Result<> Start();

  telemetry::MetricSource& metrics() override { return *metrics_; }
  telemetry::LogSource& logs() override { return *logs_; }
  telemetry::TraceSource& traces() override { return *traces_; }
  telemetry::Sink& sink() override { return *this; }
  Stats stats() const override;
  base::Result<> Maintain() override;
  base::Result<> Checkpoint() override;

 private:
  base::Result<Refused> Write(telemetry::Batch batch) override;
  void CommitGroup(std::vector<QueuedWrite*>& group);
  // What keeps a write from being taken at all. The last free space is for what makes room: upkeep.
  enum class For : std::uint8_t { kIngest, kUpkeep };
  base::Result<> Writable(For what);
  // Writes, and tells the sections what became of it.
  base::Result<> WriteAll(rocksdb::WriteBatch& write, std::string_view doing);
  base::Result<> CheckpointInTurn();
  base::Result<> DropInTurn(std::int64_t time_ms);
  // Windows that end at or before this go; INT64_MIN: none.
  std::int64_t DropTime() const;
  bool CheckpointDue() const;
  void Background();

  void CountPending() {
    std::size_t bytes = 0;
    for (const Section* const section : sections_) bytes += section->PendingBytes();
    pending_bytes_ = bytes;
  }
  std::uint64_t FreeBytes() const;
  std::int64_t NowMs() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               clock_.WallNow().time_since_epoch())
        .count();
  }

  const StoreOptions options_;
  base::Clock& clock_;
  std::unique_ptr<RocksDatabase> database_;  // destroyed after the sections
  std::unique_ptr<MetricSection> metrics_;
  std::unique_ptr<LogSection> logs_;
  std::unique_ptr<TraceSection> traces_;
  std::array<Section*, 3> sections_;
  TurnQueue queue_;

  // Of the thread that has the turn.
  bool failed_ = false;  // the last write was not taken by the database
  base::MonoTime resumed_{};

  std::atomic<base::MonoTime> checkpoint_at_{};
  std::atomic<base::MonoTime> retention_at_{};
  std::atomic<std::size_t> pending_bytes_ = 0;
  std::atomic<bool> writable_ = true;
  std::atomic<std::uint64_t> batches_ = 0;
  std::atomic<std::uint64_t> commits_ = 0;
  std::atomic<std::uint64_t> failed_writes_ = 0;
  std::atomic<std::uint64_t> overloads_ = 0;
  std::atomic<std::uint64_t> commit_ns_ = 0;
  std::atomic<std::uint64_t> checkpoints_ = 0;
  std::atomic<std::uint64_t> dropped_windows_ = 0;

  std::mutex background_mutex_;
  std::condition_variable background_wake_;
  bool background_due_ = false;
  bool stopping_ = false;
  std::thread background_;
};

base::Result<> StoreImpl::Start() {
  std::vector<FamilyWish> wishes;
  for (const Section* const section : sections_)
    for (FamilyWish& wish : section->Families()) wishes.push_back(std::move(wish));
  ASSIGN_OR_RETURN(database_, RocksDatabase::Open(options_, wishes));
  for (Section* const section : sections_) RETURN_IF_ERROR(section->Recover(database_->view()));
  CountPending();
  checkpoint_at_ = retention_at_ = clock_.Now();
  if (options_.background) background_ = std::thread([this] { Background(); });
  return {};
}

StoreImpl::~StoreImpl() {
  if (background_.joinable()) {
    {
      const std::lock_guard lock(background_mutex_);
      stopping_ = true;
    }
    background_wake_.notify_one();
    background_.join();
  }
  if (!database_) return;
  if (pending_bytes_ > 0)
    if (const auto done = Checkpoint(); !done)
      base::LogWarning("observatory", "no last checkpoint: the next opening replays the journal",
                       {{"error", done.error().ToString()}});
}

void StoreImpl::Background() {
  std::unique_lock lock(background_mutex_);
  while (true) {
    background_wake_.wait(lock, [this] { return background_due_ || stopping_; });
    if (stopping_) return;
    background_due_ = false;
    lock.unlock();
    if (const auto done = Maintain(); !done)
      base::LogWarning("observatory", "the store's upkeep failed; it is tried again",
                       {{"error", done.error().ToString()}});
    lock.lock();
  }
}

base::Result<Refused> StoreImpl::Write(telemetry::Batch batch) {
  QueuedWrite write{.batch = std::move(batch)};
  write.items = CountItems(write.batch);
  if (!queue_.Write(write)) {
    ++overloads_;
    return Fail(ErrorKind::kResourceExhausted,
                fmt::format("writing telemetry: {} batches wait already, nothing of this one was "
                            "taken; send it again later",
                            queue_.waiting()));
  }
  if (options_.background &&
      ((writable_ && CheckpointDue()) || clock_.Now() - retention_at_.load() >= kRetentionEvery)) {
    {
      const std::lock_guard lock(background_mutex_);
      background_due_ = true;
    }
    background_wake_.notify_one();
  }
  if (write.error) {
    ++failed_writes_;
    return Fail(std::move(*write.error));
  }
  ++batches_;
  return std::move(write.refused);
}

std::uint64_t StoreImpl::FreeBytes() const {
  if (options_.free_bytes) return options_.free_bytes();
  std::error_code failed;
  const std::filesystem::space_info space = std::filesystem::space(options_.directory, failed);
  return failed ? UINT64_MAX : space.available;
}

base::Result<> StoreImpl::Writable(For what) {
  const std::uint64_t left = FreeBytes();
  if (what == For::kIngest && left < options_.min_free_bytes) {
    writable_ = false;
    return Fail(ErrorKind::kUnavailable,
                fmt::format("writing telemetry: the disk of {} has {} MiB left, writes are refused "
                            "below {} MiB; free some space or shorten the retention",
                            options_.directory, left >> 20, options_.min_free_bytes >> 20));
  }
  if (failed_) {
    const base::MonoTime now = clock_.Now();
    if (now - resumed_ < kResumeEvery)
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("writing telemetry: the disk of {} failed; it is tried again in a "
                              "second",
                              options_.directory));
    resumed_ = now;
    if (const rocksdb::Status status = database_->Resume(); !status.ok())
      return Fail(FromRocks(status,
                            "writing telemetry after the disk failed (a restart may be "
                            "needed)"));
    failed_ = false;
  }
  writable_ = left >= options_.min_free_bytes;
  return {};
}

base::Result<> StoreImpl::WriteAll(rocksdb::WriteBatch& write, std::string_view doing) {
  const base::MonoTime start = clock_.Now();
  const rocksdb::Status status =
      write.Count() > 0 ? database_->Write(write) : rocksdb::Status::OK();
  commit_ns_ += static_cast<std::uint64_t>((clock_.Now() - start).count());
  for (Section* const section : sections_) status.ok() ? section->Committed() : section->Aborted();
  CountPending();
  if (status.ok()) {
    ++commits_;
    return {};
  }
  failed_ = true;
  writable_ = false;
  resumed_ = clock_.Now();
  return Fail(FromRocks(status, doing));
}

void StoreImpl::CommitGroup(std::vector<QueuedWrite*>& group) {
  const auto fail = [&](const base::Error& error) {
    for (QueuedWrite* const one : group) one->error = error;
  };
  if (const auto writable = Writable(For::kIngest); !writable) return fail(writable.error());
  const std::int64_t now_ms = NowMs();
  rocksdb::WriteBatch write;
  for (QueuedWrite* const one : group)
    for (Section* const section : sections_)
      section->Prepare(one->batch, now_ms, write, one->refused);
  if (const auto done = WriteAll(write, "writing telemetry"); !done) {
    // Whatever the reason: nothing was written, and the sender does well to try again.
    fail(base::Error(ErrorKind::kUnavailable, done.error().message()));
  }
}

base::Result<> StoreImpl::CheckpointInTurn() {
  RETURN_IF_ERROR(Writable(For::kUpkeep));
  rocksdb::WriteBatch write;
  for (Section* const section : sections_) {
    if (auto done = section->PrepareCheckpoint(write); !done) {
      for (Section* const one : sections_) one->Aborted();
      return Fail(std::move(done.error()));
    }
  }
  RETURN_IF_ERROR(WriteAll(write, "taking a checkpoint"));
  ++checkpoints_;
  checkpoint_at_ = clock_.Now();
  return {};
}

base::Result<> StoreImpl::DropInTurn(std::int64_t time_ms) {
  std::size_t windows = 0;
  for (const Section* const section : sections_)
    for (const auto& [window_ms, bytes] : section->BytesByWindow())
      windows += window_ms + kWindowMs <= time_ms ? 1 : 0;
  rocksdb::WriteBatch write;
  for (Section* const section : sections_) {
    if (auto done = section->DropBefore(time_ms, write); !done) {
      for (Section* const one : sections_) one->Aborted();
      return Fail(std::move(done.error()));
    }
  }
  RETURN_IF_ERROR(WriteAll(write, "removing old telemetry"));
  dropped_windows_ += windows;
  return {};
}

bool StoreImpl::CheckpointDue() const {
  const std::size_t pending = pending_bytes_;
  return pending >= options_.journal_bytes ||
         (pending > 0 && clock_.Now() - checkpoint_at_.load() >= options_.checkpoint_every);
}

std::int64_t StoreImpl::DropTime() const {
  std::map<std::int64_t, std::uint64_t> windows;
  for (const Section* const section : sections_)
    for (const auto& [window_ms, bytes] : section->BytesByWindow()) windows[window_ms] += bytes;
  std::int64_t time_ms = INT64_MIN;
  if (const auto age = options_.retention.age; age > base::Duration::zero()) {
    const std::int64_t oldest_ms =
        NowMs() - std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
    for (const auto& [window_ms, bytes] : windows)
      if (window_ms + kWindowMs <= oldest_ms) time_ms = window_ms + kWindowMs;
  }
  if (options_.retention.bytes > 0) {
    std::uint64_t total = 0;
    for (const auto& [window_ms, bytes] : windows) total += bytes;
    for (const auto& [window_ms, bytes] : windows) {
      // The newest window is what is being written: it stays.
      if (total <= options_.retention.bytes || window_ms == windows.rbegin()->first) break;
      total -= bytes;
      time_ms = std::max(time_ms, window_ms + kWindowMs);
    }
  }
  return time_ms;
}

base::Result<> StoreImpl::Checkpoint() {
  base::Result<> done;
  queue_.Run([&] { done = CheckpointInTurn(); });
  RETURN_IF_ERROR(std::move(done));
  // Outside the turn: writes go on meanwhile.
  if (const rocksdb::Status status = database_->Flush(); !status.ok())
    return Fail(FromRocks(status, "flushing a checkpoint"));
  return {};
}

base::Result<> StoreImpl::Maintain() {
  retention_at_ = clock_.Now();
  if (CheckpointDue()) RETURN_IF_ERROR(Checkpoint());
  const std::int64_t time_ms = DropTime();
  if (time_ms == INT64_MIN) {
    base::Result<> writable;
    queue_.Run([&] { writable = Writable(For::kUpkeep); });
    return writable;
  }
  base::Result<> done;
  // In one turn: a series is forgotten only when the journal says nothing of it.
  queue_.Run([&] {
    done = CheckpointInTurn();
    if (done) done = DropInTurn(time_ms);
  });
  RETURN_IF_ERROR(std::move(done));
  if (const rocksdb::Status status = database_->Flush(); !status.ok())
    return Fail(FromRocks(status, "flushing a checkpoint"));
  // Ranges that were removed give their space back when they are compacted.
  for (const Section* const section : sections_) {
    for (const Section::KeyRange& range : section->Dropped(time_ms)) {
      const rocksdb::Slice from(range.from);
      const rocksdb::Slice to(range.to);
      rocksdb::CompactRangeOptions options;
      options.exclusive_manual_compaction = false;
      const rocksdb::Status status =
          database_->db().CompactRange(options, range.family, &from, &to);
      if (!status.ok()) return Fail(FromRocks(status, "freeing the space of old telemetry"));
    }
  }
  return {};
}

Stats StoreImpl::stats() const {
  Stats stats;
  for (const Section* const section : sections_) section->FillStats(stats);
  stats.batches = batches_;
  stats.commits = commits_;
  stats.failed_writes = failed_writes_;
  stats.overloads = overloads_;
  stats.commit_ns = commit_ns_;
  stats.queued_batches = queue_.waiting();
  stats.checkpoints = checkpoints_;
  stats.pending_bytes = pending_bytes_;
  stats.disk_bytes = database_->DiskBytes();
  stats.free_bytes = FreeBytes();
  stats.dropped_windows = dropped_windows_;
  stats.writable = writable_;
  return stats;
}

}  // namespace

base::Result<std::unique_ptr<Store>> Store::Open(StoreOptions options, base::Clock& clock) {
  auto store = std::make_unique<StoreImpl>(std::move(options), clock);
  if (auto started = store->Start(); !started)
    return Fail(started.error().While("opening the store of the observatory"));
  return store;
}

}  // namespace enclave::observatory::store
