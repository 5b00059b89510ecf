#include "observatory/store/exemplar_table.h"

#include <algorithm>
#include <bit>
#include <memory>

#include <fmt/format.h>
#include <rocksdb/db.h>

#include "observatory/store/coding.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Exemplar;

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

std::string ExemplarPrefix(SeriesRef ref) {
  std::string key = "e";
  PutBe32(key, ref);
  return key;
}

std::string ExemplarKey(SeriesRef ref, std::int64_t time_ms) {
  std::string key = ExemplarPrefix(ref);
  PutBe64(key, static_cast<std::uint64_t>(time_ms) ^ kSignBit);
  return key;
}

std::string TracePrefix(std::uint64_t high, std::uint64_t low) {
  std::string key = "t";
  PutBe64(key, high);
  PutBe64(key, low);
  return key;
}

std::string TraceKey(std::uint64_t high, std::uint64_t low, SeriesRef ref, std::int64_t time_ms) {
  return TracePrefix(high, low) + ExemplarKey(ref, time_ms).substr(1);
}

constexpr std::size_t kExemplarKeyBytes = 1 + 4 + 8;
constexpr std::size_t kTraceKeyBytes = 1 + 16 + 4 + 8;

std::int64_t TimeAtEnd(std::string_view key) {
  return static_cast<std::int64_t>(GetBe64(key.data() + key.size() - 8) ^ kSignBit);
}

}  // namespace

std::string EncodeExemplar(const Exemplar& exemplar) {
  std::string to;
  PutFixed64(to, std::bit_cast<std::uint64_t>(exemplar.value));
  to += static_cast<char>((exemplar.trace_id ? 1 : 0) | (exemplar.span_id ? 2 : 0));
  if (exemplar.trace_id) {
    PutFixed64(to, exemplar.trace_id->high());
    PutFixed64(to, exemplar.trace_id->low());
  }
  if (exemplar.span_id) PutFixed64(to, exemplar.span_id->value());
  PutVarint(to, exemplar.labels.size());
  for (const telemetry::Label& label : exemplar.labels) {
    PutText(to, label.name);
    PutText(to, label.value);
  }
  return to;
}

bool DecodeExemplar(std::int64_t time_ms, std::string_view bytes, Exemplar& exemplar) {
  ByteReader reader(bytes);
  exemplar = {};
  exemplar.time_ms = time_ms;
  exemplar.value = std::bit_cast<double>(reader.Fixed64());
  const std::uint8_t has = reader.Byte();
  if ((has & 1) != 0) {
    const std::uint64_t high = reader.Fixed64();
    const std::uint64_t low = reader.Fixed64();
    exemplar.trace_id = trace::TraceId::Parse(fmt::format("{:016x}{:016x}", high, low));
    if (!exemplar.trace_id) return false;
  }
  if ((has & 2) != 0) {
    exemplar.span_id = trace::SpanId::Parse(fmt::format("{:016x}", reader.Fixed64()));
    if (!exemplar.span_id) return false;
  }
  const std::uint64_t count = reader.Varint();
  if (!reader.ok() || count > reader.left()) return false;
  std::vector<telemetry::Label> labels;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view name = reader.Text();
    labels.push_back({std::string(name), std::string(reader.Text())});
  }
  exemplar.labels = telemetry::Labels::From(std::move(labels));
  return reader.ok() && reader.AtEnd();
}

base::Result<> ExemplarTable::Recover(const Database& database) {
  db_ = database.db;
  family_ = database.Family(kExemplarFamily);
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions(), family_));
  for (at->Seek("e"); at->Valid() && at->key().starts_with("e"); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    Exemplar exemplar;
    if (key.size() != kExemplarKeyBytes ||
        !DecodeExemplar(TimeAtEnd(key), at->value().ToStringView(), exemplar))
      return base::Fail(base::ErrorKind::kInternal,
                        "reading the exemplars that are kept: one is damaged; restore the "
                        "directory from a copy, or remove it to begin anew");
    kept_[GetBe32(key.data() + 1)].push_back({exemplar.time_ms,
                                              exemplar.trace_id ? exemplar.trace_id->high() : 0,
                                              exemplar.trace_id ? exemplar.trace_id->low() : 0});
  }
  if (!at->status().ok())
    return base::Fail(FromRocks(at->status(), "reading the exemplars that are kept"));
  return {};
}

void ExemplarTable::Remove(SeriesRef ref, const Kept& kept, rocksdb::WriteBatch& write) const {
  write.Delete(family_, ExemplarKey(ref, kept.time_ms));
  if ((kept.trace_high | kept.trace_low) != 0)
    write.Delete(family_, TraceKey(kept.trace_high, kept.trace_low, ref, kept.time_ms));
}

bool ExemplarTable::Add(SeriesRef ref, const Exemplar& exemplar, rocksdb::WriteBatch& write) {
  const std::lock_guard lock(mutex_);
  std::vector<Kept>& kept = kept_[ref];
  const Kept added = {exemplar.time_ms, exemplar.trace_id ? exemplar.trace_id->high() : 0,
                      exemplar.trace_id ? exemplar.trace_id->low() : 0};
  auto at = std::ranges::lower_bound(kept, exemplar.time_ms, {}, &Kept::time_ms);
  if (at != kept.end() && at->time_ms == exemplar.time_ms) {
    if (at->trace_high == added.trace_high && at->trace_low == added.trace_low) return false;
    Remove(ref, *at, write);
    *at = added;
  } else {
    if (kept.size() >= per_series_) {
      if (at == kept.begin()) return false;
      Remove(ref, kept.front(), write);
      const auto index = at - kept.begin() - 1;
      kept.erase(kept.begin());
      at = kept.begin() + index;
    }
    kept.insert(at, added);
  }
  added_.emplace_back(ref, exemplar.time_ms);
  write.Put(family_, ExemplarKey(ref, exemplar.time_ms), EncodeExemplar(exemplar));
  if (exemplar.trace_id)
    write.Put(family_, TraceKey(added.trace_high, added.trace_low, ref, exemplar.time_ms), "");
  return true;
}

void ExemplarTable::Aborted() {
  const std::lock_guard lock(mutex_);
  for (const auto& [ref, time_ms] : added_) {
    const auto at = kept_.find(ref);
    if (at == kept_.end()) continue;
    std::erase_if(at->second, [time_ms](const Kept& kept) { return kept.time_ms == time_ms; });
    if (at->second.empty()) kept_.erase(at);
  }
  added_.clear();
}

void ExemplarTable::DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) {
  const std::lock_guard lock(mutex_);
  for (auto& [ref, kept] : kept_)
    std::erase_if(kept, [&, ref = ref](const Kept& one) {
      if (one.time_ms >= time_ms) return false;
      Remove(ref, one, write);
      return true;
    });
  std::erase_if(kept_, [](const auto& entry) { return entry.second.empty(); });
}

void ExemplarTable::Forget(SeriesRef ref, rocksdb::WriteBatch& write) {
  const std::lock_guard lock(mutex_);
  const auto at = kept_.find(ref);
  if (at == kept_.end()) return;
  for (const Kept& kept : at->second) Remove(ref, kept, write);
  kept_.erase(at);
}

bool ExemplarTable::Has(SeriesRef ref) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(ref);
}

base::Result<std::vector<Exemplar>> ExemplarTable::Of(SeriesRef ref,
                                                      telemetry::TimeRangeMs range) const {
  std::vector<Exemplar> found;
  const std::string prefix = ExemplarPrefix(ref);
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions(), family_));
  for (at->Seek(ExemplarKey(ref, range.from)); at->Valid() && at->key().starts_with(prefix);
       at->Next()) {
    const std::string_view key = at->key().ToStringView();
    if (key.size() != kExemplarKeyBytes || TimeAtEnd(key) > range.to) break;
    Exemplar exemplar;
    if (!DecodeExemplar(TimeAtEnd(key), at->value().ToStringView(), exemplar))
      return base::Fail(base::ErrorKind::kInternal, "reading exemplars: one is damaged");
    found.push_back(std::move(exemplar));
  }
  if (!at->status().ok()) return base::Fail(FromRocks(at->status(), "reading exemplars"));
  return found;
}

base::Result<std::vector<std::pair<SeriesRef, Exemplar>>> ExemplarTable::OfTrace(
    trace::TraceId trace) const {
  std::vector<std::pair<SeriesRef, Exemplar>> found;
  const std::string prefix = TracePrefix(trace.high(), trace.low());
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions(), family_));
  for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    if (key.size() != kTraceKeyBytes) continue;
    const SeriesRef ref = GetBe32(key.data() + prefix.size());
    std::string bytes;
    const rocksdb::Status status =
        db_->Get(rocksdb::ReadOptions(), family_, ExemplarKey(ref, TimeAtEnd(key)), &bytes);
    if (status.IsNotFound()) continue;  // gone since the iterator was made
    if (!status.ok()) return base::Fail(FromRocks(status, "reading an exemplar"));
    Exemplar exemplar;
    if (!DecodeExemplar(TimeAtEnd(key), bytes, exemplar))
      return base::Fail(base::ErrorKind::kInternal, "reading exemplars: one is damaged");
    if (exemplar.trace_id == trace) found.emplace_back(ref, std::move(exemplar));
  }
  if (!at->status().ok()) return base::Fail(FromRocks(at->status(), "reading exemplars"));
  return found;
}

}  // namespace enclave::observatory::store
