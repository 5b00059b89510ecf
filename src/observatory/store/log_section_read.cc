#include <algorithm>
#include <memory>
#include <mutex>
#include <set>

#include "observatory/store/log_block.h"
#include "observatory/store/log_section.h"

namespace enclave::observatory::store {

telemetry::TimeRangeNs Logs::Visible(telemetry::TimeRangeNs range) const {
  range.from = std::max({range.from, FloorNs(), std::int64_t{0}});
  return range;
}

base::Result<> Logs::Query(const telemetry::LogQuery& query, const telemetry::LogVisitor& visit) {
  std::shared_lock lock(mutex_);
  LogWant want{.range = Visible(query.range),
               .backward = query.direction == telemetry::Direction::kBackward,
               .contains = query.contains,
               .trace = {},
               .reading = query.reading};
  if (want.range.from >= want.range.to) return {};
  const std::uint32_t first = WindowNumber(want.range.from);
  const std::uint32_t last = WindowNumber(want.range.to - 1);
  LogMerge merge(*db_, blocks_, index_, std::move(want));
  for (const LogStream* stream : streams_.Select(query.matchers)) {
    const std::size_t at = merge.AddStream(stream->id, stream->labels);
    for (auto window = stream->blocks.lower_bound(first);
         window != stream->blocks.end() && window->first <= last; ++window)
      for (const LogBlockRef& block : window->second) merge.AddBlock(at, block);
    for (const LogRowsPtr& part : stream->head) merge.AddPart(at, part);
  }
  lock.unlock();
  return merge.Run(visit);
}

base::Result<> Logs::OfTrace(trace::TraceId trace_id, const telemetry::LogVisitor& visit) {
  std::shared_lock lock(mutex_);
  LogMerge merge(*db_, blocks_, index_, {.range = Visible({0, INT64_MAX}), .trace = trace_id});
  std::map<std::uint32_t, std::size_t> streams;
  const auto stream_of = [&](const LogStream& stream) {
    const auto [at, added] = streams.try_emplace(stream.id, 0);
    if (added) at->second = merge.AddStream(stream.id, stream.labels);
    return at->second;
  };
  // Heads are few and in memory; blocks are found by the index, window by window.
  for (const auto& [id, stream] : streams_.all())
    for (const LogRowsPtr& part : stream.head)
      if (std::ranges::any_of(part->ids, [&](const LogIds& ids) { return ids.trace == trace_id; }))
        merge.AddPart(stream_of(stream), part);

  const std::unique_ptr<rocksdb::Iterator> keys(db_->NewIterator({}, traces_));
  for (const auto& [window, bytes] : window_bytes_) {
    const std::string prefix = LogTracePrefix(window, trace_id);
    for (keys->Seek(prefix); keys->Valid() && keys->key().starts_with(prefix); keys->Next()) {
      if (keys->key().size() != prefix.size() + kLogBlockKeyBytes - 4) continue;
      const char* at = keys->key().data() + prefix.size();
      const std::uint32_t id = GetBe32(at);
      const auto first_ns = static_cast<std::int64_t>(GetBe64(at + 4));
      const std::uint64_t number = GetBe64(at + 12);
      const auto stream = streams_.all().find(id);
      if (stream == streams_.all().end()) continue;
      const auto blocks = stream->second.blocks.find(window);
      if (blocks == stream->second.blocks.end()) continue;
      for (const LogBlockRef& block : blocks->second)
        if (block.number == number && block.first_ns == first_ns)
          merge.AddBlock(stream_of(stream->second), block);
    }
    if (!keys->status().ok())
      return base::Fail(FromRocks(keys->status(), "looking for the log records of a trace"));
  }
  lock.unlock();
  return merge.Run(visit);
}

base::Result<std::vector<telemetry::Labels>> Logs::Streams(
    const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeNs range,
    std::size_t limit) {
  const std::shared_lock lock(mutex_);
  range = Visible(range);
  std::set<std::uint32_t> ids;
  std::vector<telemetry::Labels> found;
  static const std::vector<telemetry::Matchers> kAll(1);
  for (const telemetry::Matchers& matchers : any_of.empty() ? kAll : any_of) {
    for (const LogStream* stream : streams_.Select(matchers)) {
      if (found.size() >= limit) return found;
      if (stream->HasData(range) && ids.insert(stream->id).second) found.push_back(*stream->labels);
    }
  }
  return found;
}

base::Result<std::vector<std::string>> Logs::StreamLabelNames(telemetry::TimeRangeNs range) {
  const std::shared_lock lock(mutex_);
  range = Visible(range);
  std::set<std::string, std::less<>> names;
  for (const auto& [id, stream] : streams_.all()) {
    if (std::ranges::all_of(*stream.labels, [&](const telemetry::Label& label) {
          return names.contains(label.name);
        }))
      continue;
    if (!stream.HasData(range)) continue;
    for (const telemetry::Label& label : *stream.labels) names.insert(label.name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

base::Result<std::vector<std::string>> Logs::StreamLabelValues(const std::string& name,
                                                               telemetry::TimeRangeNs range) {
  const std::shared_lock lock(mutex_);
  range = Visible(range);
  std::set<std::string, std::less<>> values;
  for (const auto& [id, stream] : streams_.all()) {
    const std::string_view value = stream.labels->Get(name);
    if (value.empty() || values.contains(value) || !stream.HasData(range)) continue;
    values.emplace(value);
  }
  return std::vector<std::string>(values.begin(), values.end());
}

std::map<std::int64_t, std::uint64_t> Logs::BytesByWindow() const {
  const std::shared_lock lock(mutex_);
  std::map<std::int64_t, std::uint64_t> bytes;
  for (const auto& [window, in_window] : window_bytes_) bytes[window * kWindowMs] += in_window;
  // Open heads count as well, so that a window that has nothing else is known.
  for (const auto& [id, stream] : streams_.all())
    for (const LogRowsPtr& part : stream.head)
      if (!part->rows.empty())
        bytes[WindowNumber(part->rows.back().time_ns) * kWindowMs] += part->text.size() / 8;
  return bytes;
}

void Logs::FillStats(Stats& stats) const {
  const std::shared_lock lock(mutex_);
  stats.streams = streams_.all().size();
  stats.records = records_;
  stats.record_bytes = record_bytes_;
  stats.refused_records = refused_records_;
  stats.log_bytes = 0;
  for (const auto& [window, bytes] : window_bytes_) stats.log_bytes += bytes;
}

// Recovery: streams and heads, then the index of blocks, then the journal over the heads.

base::Result<> Logs::Recover(const Database& database) {
  db_ = database.db;
  meta_ = database.Family("logs.meta");
  journal_ = database.Family("logs.journal");
  index_ = database.Family("logs.index");
  blocks_ = database.Family("logs.blocks");
  traces_ = database.Family("logs.traces");
  const std::scoped_lock lock(mutex_);
  std::map<std::uint32_t, std::uint64_t> covered;
  RETURN_IF_ERROR(ReadMeta(covered));
  RETURN_IF_ERROR(ReadIndex());
  return ReadJournal(covered);
}

base::Result<> Logs::ReadMeta(std::map<std::uint32_t, std::uint64_t>& covered) {
  const auto corrupt = [](std::string_view what) {
    return base::Fail(base::ErrorKind::kInternal,
                      "opening the logs: " + std::string(what) + " is corrupt");
  };
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator({}, meta_));
  // Streams sort behind their heads, so they are read first.
  for (entries->Seek("s"); entries->Valid() && entries->key().starts_with("s"); entries->Next()) {
    if (entries->key().size() != 5) return corrupt("the key of a stream");
    const std::uint32_t id = GetBe32(entries->key().data() + 1);
    ByteReader reader({entries->value().data(), entries->value().size()});
    std::vector<telemetry::Label> labels;
    const std::uint64_t count = reader.Varint();
    for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
      std::string name(reader.Text());
      labels.push_back({std::move(name), std::string(reader.Text())});
    }
    if (!reader.ok()) return corrupt("a stream");
    streams_.Add(id, telemetry::Labels::From(std::move(labels)));
    next_stream_ = std::max(next_stream_, id + 1);
  }
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    const std::string_view key(entries->key().data(), entries->key().size());
    ByteReader reader({entries->value().data(), entries->value().size()});
    if (key == "n") {
      next_seq_ = std::max(next_seq_, reader.Varint());
      next_block_ = std::max(next_block_, reader.Varint());
      next_stream_ = std::max(next_stream_, static_cast<std::uint32_t>(reader.Varint()));
      first_window_ = std::max(first_window_, static_cast<std::uint32_t>(reader.Varint()));
    } else if (key == "w") {
      first_window_ = std::max(first_window_, static_cast<std::uint32_t>(reader.Varint()));
    } else if (key.starts_with('h') && key.size() == 5) {
      const std::uint32_t id = GetBe32(key.data() + 1);
      const std::uint64_t upto = reader.Varint();
      covered[id] = upto;
      next_seq_ = std::max(next_seq_, upto + 1);
      LogStream* stream = streams_.Find(id);
      if (reader.AtEnd() || stream == nullptr) continue;
      stream->head_since_ms = static_cast<std::int64_t>(reader.Varint());
      ASSIGN_OR_RETURN(const LogBlockReader block, LogBlockReader::Open(reader.rest()));
      ASSIGN_OR_RETURN(std::string lines, block.Lines());
      ASSIGN_OR_RETURN(LogRows rows, block.Rows(std::move(lines)));
      stream->head_bytes = rows.Bytes();
      stream->head_lines = rows.text.size();
      stream->head.push_back(std::make_shared<const LogRows>(std::move(rows)));
    }
    if (!reader.ok()) return corrupt("a counter or a head");
  }
  if (!entries->status().ok()) return base::Fail(FromRocks(entries->status(), "opening the logs"));
  return {};
}

base::Result<> Logs::ReadIndex() {
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator({}, index_));
  for (entries->Seek("i"); entries->Valid() && entries->key().starts_with("i"); entries->Next()) {
    if (entries->key().size() != 1 + kLogBlockKeyBytes) continue;
    const char* key = entries->key().data() + 1;
    ByteReader reader({entries->value().data(), entries->value().size()});
    LogBlockRef block;
    block.first_ns = static_cast<std::int64_t>(GetBe64(key + 8));
    block.number = GetBe64(key + 16);
    block.last_ns = WrapAdd(block.first_ns, static_cast<std::int64_t>(reader.Varint()));
    block.records = static_cast<std::uint32_t>(reader.Varint());
    block.bytes = static_cast<std::uint32_t>(reader.Varint());
    LogStream* stream = streams_.Find(GetBe32(key + 4));
    if (!reader.ok() || block.first_ns < 0 || block.last_ns < block.first_ns || stream == nullptr)
      return base::Fail(base::ErrorKind::kInternal,
                        "opening the logs: the index of blocks is corrupt");
    next_block_ = std::max(next_block_, block.number + 1);
    stream->blocks[WindowNumber(block.first_ns)].push_back(block);
    window_bytes_[WindowNumber(block.first_ns)] += block.bytes;
  }
  if (!entries->status().ok())
    return base::Fail(FromRocks(entries->status(), "opening the index of the logs"));
  return {};
}

base::Result<> Logs::ReadJournal(const std::map<std::uint32_t, std::uint64_t>& covered) {
  const std::unique_ptr<rocksdb::Iterator> entries(db_->NewIterator({}, journal_));
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    if (entries->key().size() != 8) continue;
    const std::uint64_t seq = GetBe64(entries->key().data());
    next_seq_ = std::max(next_seq_, seq + 1);
    ASSIGN_OR_RETURN(const std::string entry,
                     UnpackLogBytes({entries->value().data(), entries->value().size()}, 1U << 30));
    journal_bytes_ += entry.size();
    ByteReader reader(entry);
    while (reader.ok() && !reader.AtEnd()) {
      const auto id = static_cast<std::uint32_t>(reader.Varint());
      const std::string_view columns = reader.Text();
      const std::string_view lines = reader.Text();
      if (!reader.ok()) break;
      const auto upto = covered.find(id);
      LogStream* stream = streams_.Find(id);
      if (stream == nullptr || (upto != covered.end() && upto->second >= seq)) continue;
      ASSIGN_OR_RETURN(LogRows rows, DecodeLogColumns(columns, std::string(lines)));
      if (rows.rows.empty() || rows.rows.back().time_ns < FloorNs()) continue;
      AppendPart(*stream, std::make_shared<const LogRows>(std::move(rows)));
      stream->dirty = true;
    }
    if (!reader.ok())
      return base::Fail(base::ErrorKind::kInternal,
                        "opening the logs: the journal is corrupt at write " + std::to_string(seq));
  }
  if (!entries->status().ok())
    return base::Fail(FromRocks(entries->status(), "reading the journal of the logs"));
  for (auto& [id, stream] : streams_.all()) {
    stream.head_bytes = 0;
    stream.head_lines = 0;
    for (const LogRowsPtr& part : stream.head) {
      stream.head_bytes += part->Bytes();
      stream.head_lines += part->text.size();
    }
  }
  return {};
}

}  // namespace enclave::observatory::store
