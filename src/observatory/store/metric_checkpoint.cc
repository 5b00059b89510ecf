// The part of MetricStore that moves metrics between memory and database: recovery, checkpoints
// and the end of old windows.
#include <algorithm>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include <fmt/format.h>

#include "observatory/store/coding.h"
#include "observatory/store/metric_keys.h"
#include "observatory/store/metric_section.h"

namespace enclave::observatory::store {
namespace {

using base::ErrorKind;
using base::Fail;

std::unexpected<base::Error> DamagedEntry(std::string_view what) {
  return Fail(ErrorKind::kInternal,
              fmt::format("opening the metrics: {} is damaged; restore the directory from a copy, "
                          "or remove it to begin anew",
                          what));
}

using Visit = std::function<base::Result<>(std::string_view key, std::string_view value)>;

// Visits all entries of a family whose key begins with `prefix`, in order.
base::Result<> ForEach(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family,
                       std::string_view prefix, const Visit& visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 1 << 20;
  const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator(options, family));
  const rocksdb::Slice begin(prefix.data(), prefix.size());
  for (at->Seek(begin); at->Valid() && at->key().starts_with(begin); at->Next())
    RETURN_IF_ERROR(visit(at->key().ToStringView(), at->value().ToStringView()));
  if (!at->status().ok()) return Fail(FromRocks(at->status(), "reading the metrics"));
  return {};
}

}  // namespace

base::Result<> MetricStore::Recover(const Database& database) {
  db_ = database.db;
  index_family_ = database.Family(kIndexFamily);
  journal_family_ = database.Family(kJournalFamily);
  open_family_ = database.Family(kOpenFamily);
  chunk_family_ = database.Family(kChunkFamily);
  RETURN_IF_ERROR(RecoverIndex());
  RETURN_IF_ERROR(RecoverOpen());
  RETURN_IF_ERROR(exemplars_.Recover(database));
  return RecoverJournal();
}

base::Result<> MetricStore::RecoverIndex() {
  const auto series = [&](std::string_view key, std::string_view value) -> base::Result<> {
    ByteReader reader(value);
    const std::uint64_t count = reader.Varint();
    std::vector<telemetry::LabelView> labels;
    if (key.size() != 5 || count > UINT16_MAX) return DamagedEntry("a series");
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string_view name = reader.Text();
      labels.push_back({name, reader.Text()});
    }
    if (!reader.ok() || !reader.AtEnd()) return DamagedEntry("a series");
    const SeriesRef ref = GetBe32(key.data() + 1);
    // A gap is a ref that is free.
    for (; next_ref_ < ref; ++next_ref_) free_refs_.push_back(next_ref_);
    next_ref_ = ref + 1;
    head_.table().Create(ref, labels);
    refs_.Insert(HashLabels(labels, scratch_), ref);
    return {};
  };
  RETURN_IF_ERROR(ForEach(db_, index_family_, "s", series));
  const auto metadata = [&](std::string_view key, std::string_view value) -> base::Result<> {
    ByteReader reader(value);
    telemetry::MetricMetadata one;
    const std::uint8_t type = reader.Byte();
    one.unit = reader.Text();
    one.help = reader.Text();
    if (!reader.ok() || type > static_cast<std::uint8_t>(telemetry::MetricType::kStateSet))
      return DamagedEntry("metadata");
    one.type = static_cast<telemetry::MetricType>(type);
    metadata_.emplace(key.substr(1), std::move(one));
    return {};
  };
  RETURN_IF_ERROR(ForEach(db_, index_family_, "m", metadata));
  const auto window = [&](std::string_view key, std::string_view value) -> base::Result<> {
    Window one;
    if (key.size() != 5 || !Window::Decode(value, one)) return DamagedEntry("a window's index");
    head_.windows().map()[WindowFromKey(GetBe32(key.data() + 1))] = std::move(one);
    return {};
  };
  RETURN_IF_ERROR(ForEach(db_, index_family_, "w", window));
  return ForEach(db_, index_family_, "c", [&](std::string_view, std::string_view value) {
    if (value.size() != 4) return base::Result<>(DamagedEntry("the number of chunks"));
    head_.set_next_chunk_id(GetBe32(value.data()));
    return base::Result<>();
  });
}

base::Result<> MetricStore::RecoverOpen() {
  return ForEach(db_, open_family_, "", [&](std::string_view key, std::string_view value) {
    const SeriesRef ref = key.size() == 4 ? GetBe32(key.data()) : UINT32_MAX;
    if (!head_.table().Alive(ref) || !MetricHead::DecodeOpen(value, head_.table().At(ref)))
      return base::Result<>(DamagedEntry("an open chunk"));
    return base::Result<>();
  });
}

base::Result<> MetricStore::RecoverJournal() {
  std::vector<SampleOf> samples;
  const auto entry = [&](std::string_view key, std::string_view value) -> base::Result<> {
    samples.clear();
    if (key.size() != 8 || !ReadJournal(value, samples)) return DamagedEntry("the journal");
    for (const SampleOf& one : samples) {
      if (!head_.table().Alive(one.ref) || one.sample.time_ms < kEarliestMs ||
          one.sample.time_ms > kLatestMs)
        return DamagedEntry("the journal");
      head_.Apply(one.ref, one.sample);
    }
    next_journal_ = GetBe64(key.data()) + 1;
    journal_bytes_ += value.size();
    return {};
  };
  return ForEach(db_, journal_family_, "", entry);
}

base::Result<> MetricStore::PrepareCheckpoint(rocksdb::WriteBatch& write) {
  stage_ = Stage::kCheckpoint;
  const SeriesTable& table = head_.table();
  std::string bytes;
  for (const SeriesRef ref : table.all()) {
    const store::Series& series = table.At(ref);
    if (series.extra)
      for (const SealedChunk& chunk : series.extra->sealed)
        write.Put(chunk_family_, ChunkKey(WindowKey(chunk.window_ms), ref, chunk.id), *chunk.bytes);
    if (!series.dirty) continue;
    if (MetricHead::HasOpen(series)) {
      bytes.clear();
      MetricHead::EncodeOpen(series, bytes);
      write.Put(open_family_, OpenKey(ref), bytes);
    } else {
      write.Delete(open_family_, OpenKey(ref));
    }
  }
  for (const auto& [window_ms, window] : head_.windows().map())
    if (window.dirty) write.Put(index_family_, WindowIndexKey(window_ms), window.Encode());
  std::string next;
  PutBe32(next, head_.next_chunk_id());
  write.Put(index_family_, "c", next);
  write.DeleteRange(journal_family_, JournalKey(0), JournalKey(next_journal_));
  return {};
}

void MetricStore::FinishCheckpoint() {
  SeriesTable& table = head_.table();
  for (const SeriesRef ref : table.all()) {
    store::Series& series = table.At(ref);
    series.dirty = false;
    if (!series.extra) continue;
    series.extra->sealed.clear();
    if (series.extra->empty()) series.extra.reset();
  }
  for (auto& [window_ms, window] : head_.windows().map()) window.dirty = false;
  journal_bytes_ = 0;
}

base::Result<> MetricStore::DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) {
  stage_ = Stage::kDrop;
  pending_.drop_ms = time_ms;
  const Windows::Map& windows = head_.windows().map();
  std::uint32_t first = UINT32_MAX;
  for (const auto& [window_ms, window] : windows) {
    if (window_ms + kWindowMs > time_ms) break;
    first = std::min(first, WindowKey(window_ms));
    write.Delete(index_family_, WindowIndexKey(window_ms));
  }
  if (first != UINT32_MAX)
    write.DeleteRange(chunk_family_, ChunkKey(first, 0, 0), ChunkKey(WindowKey(time_ms), 0, 0));
  exemplars_.DropBefore(time_ms, write);

  // What a series keeps apart from the windows that go.
  std::vector<const Window*> left;
  for (const auto& [window_ms, window] : windows)
    if (window_ms + kWindowMs > time_ms) left.push_back(&window);
  const SeriesTable& table = head_.table();
  for (const SeriesRef ref : table.all()) {
    const store::Series& series = table.At(ref);
    const bool old_head = !series.head.empty() && series.head.last_time() < time_ms;
    const std::vector<telemetry::Sample>* const late = series.extra ? &series.extra->late : nullptr;
    const bool old_late = late != nullptr && !late->empty() && late->front().time_ms < time_ms;
    const bool keeps = (!series.head.empty() && !old_head) ||
                       (late != nullptr && !late->empty() && late->back().time_ms >= time_ms) ||
                       std::ranges::any_of(left, [ref](const Window* w) { return w->Has(ref); });
    if (!keeps) {
      pending_.forgotten.push_back(ref);
      write.Delete(index_family_, SeriesKey(ref));
      write.Delete(open_family_, OpenKey(ref));
      exemplars_.Forget(ref, write);
    } else if (old_head || old_late) {
      // Its state in the database is made anew by the next checkpoint; until then a restart finds
      // the old samples again, which does no harm.
      pending_.closed.push_back(ref);
    }
  }
  return {};
}

void MetricStore::FinishDrop() {
  const std::int64_t time_ms = pending_.drop_ms;
  SeriesTable& table = head_.table();
  std::erase_if(head_.windows().map(),
                [&](const auto& entry) { return entry.first + kWindowMs <= time_ms; });
  for (const SeriesRef ref : pending_.closed) {
    store::Series& series = table.At(ref);
    if (!series.head.empty() && series.head.last_time() < time_ms) series.head.Clear();
    if (series.extra)
      std::erase_if(series.extra->late,
                    [&](const telemetry::Sample& sample) { return sample.time_ms < time_ms; });
    series.dirty = true;
  }
  for (const SeriesRef ref : table.all()) {
    store::Series& series = table.At(ref);
    if (series.extra)
      std::erase_if(series.extra->sealed, [&](const SealedChunk& chunk) {
        return chunk.window_ms + kWindowMs <= time_ms;
      });
  }
  const std::vector<SeriesRef>& gone = pending_.forgotten;
  if (gone.empty()) return;
  table.Forget(gone);
  refs_.Remove([&](SeriesRef ref) { return std::ranges::binary_search(gone, ref); });
  free_refs_.insert(free_refs_.end(), gone.begin(), gone.end());
}

std::vector<Section::KeyRange> MetricStore::Dropped(std::int64_t time_ms) const {
  return {{chunk_family_, ChunkKey(0, 0, 0), ChunkKey(WindowKey(time_ms), 0, 0)}};
}

std::map<std::int64_t, std::uint64_t> MetricStore::BytesByWindow() const {
  const std::shared_lock lock(mutex_);
  std::map<std::int64_t, std::uint64_t> bytes;
  constexpr std::uint64_t kKeyBytes = 16;  // roughly, as they stand in a table
  for (const auto& [window_ms, window] : head_.windows().map())
    bytes[window_ms] = window.bytes + window.chunks * kKeyBytes;
  for (const SeriesRef ref : head_.table().all()) {
    const store::Series& series = head_.table().At(ref);
    if (!series.head.empty())
      bytes[WindowStartMs(series.head.first_time())] += series.head.bytes().size();
    if (!series.extra) continue;
    for (const telemetry::Sample& sample : series.extra->late)
      bytes[WindowStartMs(sample.time_ms)] += sizeof sample;
  }
  return bytes;
}

void MetricStore::FillStats(Stats& stats) const {
  const std::shared_lock lock(mutex_);
  const MetricHead::Counts& counts = head_.counts();
  stats.series = head_.table().size();
  stats.samples = counts.samples;
  stats.duplicate_samples = counts.duplicates;
  stats.out_of_order_samples = counts.late;
  stats.refused_samples = refused_samples_;
  stats.exemplars = exemplars_added_;
  stats.refused_exemplars = refused_exemplars_;
  stats.chunks = counts.chunks;
  stats.chunk_bytes = counts.chunk_bytes;
  stats.symbols = head_.table().symbols();
  for (const SeriesRef ref : head_.table().all())
    stats.head_bytes += head_.table().At(ref).head.capacity();
}

}  // namespace enclave::observatory::store
