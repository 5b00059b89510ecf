#include "observatory/store/log_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

#include "base/check.h"
#include "base/quote.h"
#include "observatory/store/log_block.h"
#include "observatory/store/log_filter.h"

namespace enclave::observatory::store {
namespace {

constexpr int kLogJournalLevel = 1;  // fast: it is read once, if ever

std::string LogMetaKey(char kind, std::uint32_t stream) {
  std::string key(1, kind);
  PutBe32(key, stream);
  return key;
}

std::size_t LabelBytes(const telemetry::Labels& labels) {
  std::size_t bytes = 0;
  for (const telemetry::Label& label : labels) bytes += label.name.size() + label.value.size();
  return bytes;
}

}  // namespace

std::vector<FamilyWish> Logs::Families() const {
  return {{.name = "logs.meta"},
          {.name = "logs.journal"},
          {.name = "logs.index", .bloom = true},
          {.name = "logs.blocks", .bloom = true},
          {.name = "logs.traces", .compression = rocksdb::kZSTD}};
}

Logs::Change& Logs::ChangeOf(std::uint32_t id) {
  Change& change = pending_.changes[id];
  change.id = id;
  return change;
}

std::optional<std::uint32_t> Logs::StreamId(telemetry::Labels& labels, rocksdb::WriteBatch& write,
                                            std::string& why) {
  if (const LogStream* stream = streams_.Find(labels)) return stream->id;
  if (const auto at = pending_.created.find(labels); at != pending_.created.end())
    return at->second;
  const Limits& limits = options_.limits;
  if (labels.empty()) {
    why = "a log stream needs at least one label";
    return std::nullopt;
  }
  if (labels.size() > limits.labels) {
    why = fmt::format("a log stream has {} labels, at most {} are allowed", labels.size(),
                      limits.labels);
    return std::nullopt;
  }
  for (const telemetry::Label& label : labels) {
    if (label.name.size() <= limits.label_name_bytes &&
        label.value.size() <= limits.label_value_bytes)
      continue;
    why =
        fmt::format("label {} of a log stream is too long: names have at most {} bytes, values {}",
                    base::Quote(std::string_view(label.name).substr(0, 64)),
                    limits.label_name_bytes, limits.label_value_bytes);
    return std::nullopt;
  }
  if (streams_.all().size() + pending_.created.size() >= limits.streams) {
    why = fmt::format("there are {} log streams, which is the limit; {} would be one more",
                      limits.streams, labels.ToString());
    return std::nullopt;
  }
  const std::uint32_t id = next_stream_++;
  std::string value;
  PutVarint(value, labels.size());
  for (const telemetry::Label& label : labels) {
    PutText(value, label.name);
    PutText(value, label.value);
  }
  write.Put(meta_, LogMetaKey('s', id), value);
  ChangeOf(id).created = labels;
  pending_.created.emplace(std::move(labels), id);
  return id;
}

std::optional<std::string> Logs::WhyNot(const telemetry::LogRecord& record,
                                        telemetry::TimeRangeNs range) const {
  if (record.time_ns < range.from)
    return fmt::format("a log record of {} ns since 1970 is older than what is kept, {} ns",
                       record.time_ns, range.from);
  if (record.time_ns >= range.to)
    return fmt::format("a log record of {} ns since 1970 is too far in the future", record.time_ns);
  if (record.line.size() > options_.limits.line_bytes)
    return fmt::format("a log line has {} bytes, at most {} are allowed", record.line.size(),
                       options_.limits.line_bytes);
  if (LabelBytes(record.metadata) > options_.limits.line_bytes)
    return fmt::format("a log record has {} bytes of metadata, at most {} are allowed",
                       LabelBytes(record.metadata), options_.limits.line_bytes);
  return std::nullopt;
}

void Logs::Prepare(telemetry::Batch& batch, std::int64_t now_ms, rocksdb::WriteBatch& write,
                   telemetry::Refused& refused) {
  if (batch.streams.empty()) return;
  now_ms_ = now_ms;
  telemetry::TimeRangeNs range{FloorNs(), INT64_MAX};
  const std::int64_t age_ns = options_.retention.age.count();
  if (age_ns > 0) range.from = std::max(range.from, now_ms * 1'000'000 - age_ns);
  if (options_.limits.future_ms < INT64_MAX / 1'000'000 - now_ms)
    range.to = (now_ms + options_.limits.future_ms) * 1'000'000 + 1;
  const auto refuse = [&](std::size_t records, const std::string& why) {
    refused.records += records;
    const std::scoped_lock lock(mutex_);
    refused_records_ += records;
    if (refused.why.empty()) refused.why = why;
  };

  const std::uint64_t seq = next_seq_++;
  // Streams that come several times in one batch are one part.
  std::map<std::uint32_t, LogRowsBuilder> builders;
  for (telemetry::StreamWrite& stream : batch.streams) {
    if (stream.records.empty()) continue;
    std::string why;
    const std::optional<std::uint32_t> id = StreamId(stream.labels, write, why);
    if (!id) {
      refuse(stream.records.size(), why);
      continue;
    }
    LogRowsBuilder& builder = builders[*id];
    for (const telemetry::LogRecord& record : stream.records) {
      if (const std::optional<std::string> not_taken = WhyNot(record, range)) {
        refuse(1, *not_taken);
        continue;
      }
      builder.Add(record.time_ns, seq, record.line, &record.metadata,
                  {record.trace_id, record.span_id});
    }
  }

  std::string entry;
  std::string columns;
  std::string lines;
  for (auto& [id, builder] : builders) {
    if (builder.size() == 0) continue;
    const auto part = std::make_shared<const LogRows>(builder.Finish());
    columns.clear();
    lines.clear();
    EncodeLogColumns(*part, 0, part->rows.size(), columns, lines);
    PutVarint(entry, id);
    PutText(entry, columns);
    PutText(entry, lines);
    pending_.records += part->rows.size();
    pending_.record_bytes += part->text.size();

    Change& change = ChangeOf(id);
    change.parts.push_back(part);
    change.kept = false;
    change.bytes += part->Bytes();
    change.lines += part->text.size();
  }
  if (entry.empty()) return;
  std::string key;
  PutBe64(key, seq);
  write.Put(journal_, key, PackLogBytes(entry, kLogJournalLevel));
  pending_.journal_bytes += entry.size();

  for (const auto& [id, builder] : builders) {
    Change& change = ChangeOf(id);
    const LogStream* stream = change.cleared ? nullptr : streams_.Find(id);
    const std::size_t bytes = change.bytes + (stream != nullptr ? stream->head_bytes : 0);
    const std::size_t line_bytes = change.lines + (stream != nullptr ? stream->head_lines : 0);
    if (line_bytes >= kLogBlockBytes || bytes >= 2 * kLogBlockBytes) Seal(change, write);
  }
}

std::vector<LogRowsPtr> Logs::Head(const Change& change) {
  std::vector<LogRowsPtr> parts;
  if (!change.cleared)
    if (const LogStream* stream = streams_.Find(change.id)) parts = stream->head;
  parts.insert(parts.end(), change.parts.begin(), change.parts.end());
  return parts;
}

void Logs::Seal(Change& change, rocksdb::WriteBatch& write) {
  const LogRows merged = MergeLogRows(Head(change));
  const std::vector<LogRow>& rows = merged.rows;
  const std::size_t count =
      std::max<std::size_t>(1, (merged.text.size() + kLogBlockBytes / 2) / kLogBlockBytes);
  const std::size_t target = merged.text.size() / count + 1;
  std::size_t first = static_cast<std::size_t>(
      std::ranges::lower_bound(rows, FloorNs(), {}, &LogRow::time_ns) - rows.begin());
  std::size_t bytes = 0;
  for (std::size_t i = first; i < rows.size(); ++i) {
    const bool other_window =
        i > first && WindowNumber(rows[i].time_ns) != WindowNumber(rows[first].time_ns);
    // Rows without text are rows, too.
    if (i > first && (other_window || bytes + rows[i].length > target + kLogBlockBytes / 8 ||
                      i - first >= kLogBlockBytes / 8)) {
      SealBlock(change, merged, first, i, write);
      first = i;
      bytes = 0;
    }
    bytes += rows[i].length;
  }
  if (first < rows.size()) SealBlock(change, merged, first, rows.size(), write);

  std::string head;
  PutVarint(head, next_seq_ - 1);  // the journal up to here is in blocks
  write.Put(meta_, LogMetaKey('h', change.id), head);
  change.cleared = true;
  change.kept = true;
  change.parts.clear();
  change.bytes = 0;
  change.lines = 0;
}

void Logs::SealBlock(Change& change, const LogRows& rows, std::size_t first, std::size_t last,
                     rocksdb::WriteBatch& write) {
  std::string columns;
  std::string lines;
  EncodeLogColumns(rows, first, last, columns, lines);
  const std::string body = EncodeLogBlock(columns, lines);
  const std::string filter = BuildLogFilter(lines);
  LogBlockRef block;
  block.first_ns = rows.rows[first].time_ns;
  block.last_ns = rows.rows[last - 1].time_ns;
  block.number = next_block_++;
  block.records = static_cast<std::uint32_t>(last - first);
  block.bytes = static_cast<std::uint32_t>(body.size() + filter.size());
  std::string key;
  PutLogBlockKey(key, change.id, block);
  std::string figures;
  PutVarint(figures, static_cast<std::uint64_t>(block.last_ns - block.first_ns));
  PutVarint(figures, block.records);
  PutVarint(figures, block.bytes);
  write.Put(blocks_, key, body);
  write.Put(index_, "i" + key, figures);
  write.Put(index_, "f" + key, filter);

  std::set<trace::TraceId> traces;
  for (std::size_t i = first; i < last; ++i) {
    const LogIds* ids = rows.IdsOf(rows.rows[i]);
    if (ids != nullptr && ids->trace) traces.insert(*ids->trace);
  }
  const std::uint32_t window = WindowNumber(block.first_ns);
  for (const trace::TraceId trace : traces) {
    std::string trace_key = LogTracePrefix(window, trace);
    trace_key.append(key, 4);  // without its window
    write.Put(traces_, trace_key, "");
  }
  change.blocks.push_back(block);
}

void Logs::AppendPart(LogStream& stream, LogRowsPtr part) {
  std::vector<LogRowsPtr>& head = stream.head;
  head.push_back(std::move(part));
  // Merged when neighbours are of like size: a record moves a logarithmic number of times.
  while (head.size() >= 2 && head[head.size() - 2]->rows.size() <= 2 * head.back()->rows.size()) {
    auto merged =
        std::make_shared<const LogRows>(MergeLogRows({head[head.size() - 2], head.back()}));
    head.pop_back();
    head.back() = std::move(merged);
  }
}

void Logs::Apply(Change& change) {
  if (change.removed) {
    streams_.Remove(change.id);
    return;
  }
  LogStream* stream = change.created ? &streams_.Add(change.id, std::move(*change.created))
                                     : streams_.Find(change.id);
  CHECK(stream != nullptr, "a stream that changes is there");
  if (change.cleared) stream->head.clear();
  if (stream->head.empty() && !change.parts.empty()) stream->head_since_ms = now_ms_;
  for (LogRowsPtr& part : change.parts) AppendPart(*stream, std::move(part));
  stream->head_bytes = 0;
  stream->head_lines = 0;
  for (const LogRowsPtr& part : stream->head) {
    stream->head_bytes += part->Bytes();
    stream->head_lines += part->text.size();
  }
  stream->dirty = !change.kept && !stream->head.empty();
  for (const LogBlockRef& block : change.blocks) {
    stream->blocks[WindowNumber(block.first_ns)].push_back(block);
    window_bytes_[WindowNumber(block.first_ns)] += block.bytes;
  }
}

void Logs::Committed() {
  const std::scoped_lock lock(mutex_);
  for (auto& [id, change] : pending_.changes) Apply(change);
  if (pending_.first_window) {
    first_window_ = *pending_.first_window;
    window_bytes_.erase(window_bytes_.begin(), window_bytes_.lower_bound(first_window_));
    for (auto& [id, stream] : streams_.all())
      stream.blocks.erase(stream.blocks.begin(), stream.blocks.lower_bound(first_window_));
  }
  records_ += pending_.records;
  record_bytes_ += pending_.record_bytes;
  if (pending_.checkpoint) journal_bytes_ = 0;
  journal_bytes_ += pending_.journal_bytes;
  pending_ = {};
}

void Logs::Aborted() {
  pending_ = {};
}

base::Result<> Logs::PrepareCheckpoint(rocksdb::WriteBatch& write) {
  std::vector<std::pair<std::size_t, const LogStream*>> open;
  std::size_t total = 0;
  for (const auto& [id, stream] : streams_.all()) {
    if (stream.head.empty()) continue;
    if (now_ms_ - stream.head_since_ms >= kLogHeadAgeMs) {
      Seal(ChangeOf(id), write);
      continue;
    }
    open.emplace_back(stream.head_bytes, &stream);
    total += stream.head_bytes;
  }
  std::ranges::sort(open, std::ranges::greater(), &std::pair<std::size_t, const LogStream*>::first);
  for (const auto& [bytes, stream] : open) {
    if (total > kMostLogHeadBytes) {
      total -= bytes;
      Seal(ChangeOf(stream->id), write);
    } else if (stream->dirty) {
      Change& change = ChangeOf(stream->id);
      const LogRows merged = MergeLogRows(Head(change));
      std::string columns;
      std::string lines;
      EncodeLogColumns(merged, 0, merged.rows.size(), columns, lines);
      std::string head;
      PutVarint(head, next_seq_ - 1);
      PutVarint(head, static_cast<std::uint64_t>(stream->head_since_ms));
      head += EncodeLogBlock(columns, lines);
      write.Put(meta_, LogMetaKey('h', stream->id), head);
      change.kept = true;
    }
  }
  std::string from;
  std::string to;
  PutBe64(from, 0);
  PutBe64(to, next_seq_);
  write.DeleteRange(journal_, from, to);
  std::string counters;
  PutVarint(counters, next_seq_);
  PutVarint(counters, next_block_);
  PutVarint(counters, next_stream_);
  PutVarint(counters, first_window_);
  write.Put(meta_, "n", counters);
  pending_.checkpoint = true;
  return {};
}

base::Result<> Logs::DropBefore(std::int64_t time_ms, rocksdb::WriteBatch& write) {
  if (time_ms <= 0) return {};
  const auto window = static_cast<std::uint32_t>(time_ms / kWindowMs);
  if (window <= first_window_) return {};
  write.DeleteRange(blocks_, WindowPrefix(0), WindowPrefix(window));
  write.DeleteRange(traces_, WindowPrefix(0), WindowPrefix(window));
  write.DeleteRange(index_, WindowPrefix(0, "i"), WindowPrefix(window, "i"));
  write.DeleteRange(index_, WindowPrefix(0, "f"), WindowPrefix(window, "f"));
  std::string first;
  PutVarint(first, window);
  write.Put(meta_, "w", first);
  pending_.first_window = window;
  const std::int64_t floor_ns = window * kWindowNs;
  for (const auto& [id, stream] : streams_.all()) {
    if (!stream.blocks.empty() && stream.blocks.rbegin()->first >= window) continue;
    if (std::ranges::any_of(stream.head, [&](const LogRowsPtr& part) {
          return !part->rows.empty() && part->rows.back().time_ns >= floor_ns;
        }))
      continue;
    write.Delete(meta_, LogMetaKey('s', id));
    write.Delete(meta_, LogMetaKey('h', id));
    ChangeOf(id).removed = true;
  }
  return {};
}

std::vector<Section::KeyRange> Logs::Dropped(std::int64_t time_ms) const {
  const auto window = static_cast<std::uint32_t>(std::max<std::int64_t>(0, time_ms) / kWindowMs);
  return {{blocks_, WindowPrefix(0), WindowPrefix(window)},
          {traces_, WindowPrefix(0), WindowPrefix(window)},
          {index_, WindowPrefix(0, "i"), WindowPrefix(window, "i")},
          {index_, WindowPrefix(0, "f"), WindowPrefix(window, "f")}};
}

std::unique_ptr<LogSection> CreateLogSection(const StoreOptions& options) {
  return std::make_unique<Logs>(options);
}

}  // namespace enclave::observatory::store
