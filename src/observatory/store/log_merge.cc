#include "observatory/store/log_merge.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

#include "observatory/store/log_block.h"
#include "observatory/store/log_filter.h"

namespace enclave::observatory::store {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

// The C library's search is several times as fast as std::string_view's.
std::size_t FindLogText(std::string_view text, std::string_view needle, std::size_t from) {
  if (from > text.size()) return kNowhere;
  const void* at = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return at == nullptr ? kNowhere
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

}  // namespace

LogMerge::LogMerge(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* blocks,
                   rocksdb::ColumnFamilyHandle* index, LogWant want)
    : db_(db), blocks_(blocks), index_(index), want_([&] {
        // The longest first: it is the fastest to look for, and the most likely to be missing.
        std::ranges::sort(want.contains, std::ranges::greater(), &std::string::size);
        std::erase(want.contains, "");
        return std::move(want);
      }()) {}

std::size_t LogMerge::AddStream(std::uint32_t id, std::shared_ptr<const telemetry::Labels> labels) {
  streams_.push_back({id, std::move(labels)});
  return streams_.size() - 1;
}

void LogMerge::AddBlock(std::size_t stream, const LogBlockRef& block) {
  AddSource({.stream = stream, .block = block}, block.first_ns, block.last_ns);
}

void LogMerge::AddPart(std::size_t stream, LogRowsPtr part) {
  if (part->rows.empty()) return;
  const std::int64_t first = part->rows.front().time_ns;
  const std::int64_t last = part->rows.back().time_ns;
  AddSource({.stream = stream, .part = std::move(part)}, first, last);
}

void LogMerge::AddSource(Source source, std::int64_t first_ns, std::int64_t last_ns) {
  if (first_ns >= want_.range.to || last_ns < want_.range.from) return;
  // The earliest that it can have, so that it is opened before anything later is visited.
  turns_.push_back({want_.backward ? last_ns : first_ns, want_.backward ? UINT64_MAX : 0,
                    streams_[source.stream].id, sources_.size()});
  sources_.push_back(std::move(source));
}

bool LogMerge::Later(const Turn& a, const Turn& b) const {
  const auto key = [](const Turn& turn) {
    return std::tuple(turn.time_ns, turn.seq, turn.stream_id, turn.source);
  };
  return want_.backward ? key(a) < key(b) : key(a) > key(b);
}

bool LogMerge::InRange(const LogRows& rows, const LogRow& row) const {
  if (row.time_ns < want_.range.from || row.time_ns >= want_.range.to) return false;
  if (!want_.trace) return true;
  const LogIds* ids = rows.IdsOf(row);
  return ids != nullptr && ids->trace == want_.trace;
}

bool LogMerge::Contains(std::string_view line, std::size_t from_needle) const {
  for (std::size_t i = from_needle; i < want_.contains.size(); ++i)
    if (FindLogText(line, want_.contains[i], 0) == kNowhere) return false;
  return true;
}

void LogMerge::FindHits(Source& source, bool text_in_order) {
  const LogRows& rows = *source.part;
  if (text_in_order && !want_.contains.empty()) {
    // All lines as one text: a hit that reaches over the end of a line is none.
    const std::string& needle = want_.contains[0];
    std::size_t at = 0;
    while ((at = FindLogText(rows.text, needle, at)) != kNowhere) {
      const auto row = std::ranges::upper_bound(
          rows.rows, at, {},
          [](const LogRow& r) -> std::size_t { return std::size_t{r.offset} + r.length; });
      if (row == rows.rows.end()) break;
      const std::size_t end = std::size_t{row->offset} + row->length;
      if (at < row->offset || at + needle.size() > end) {
        ++at;
        continue;
      }
      if (InRange(rows, *row) && Contains(rows.Line(*row), 1))
        source.hits.push_back(static_cast<std::uint32_t>(row - rows.rows.begin()));
      at = end;
    }
  } else {
    const auto first = std::ranges::lower_bound(rows.rows, want_.range.from, {}, &LogRow::time_ns);
    const auto last = std::ranges::lower_bound(rows.rows, want_.range.to, {}, &LogRow::time_ns);
    for (auto row = first; row < last; ++row)
      if (InRange(rows, *row) && Contains(rows.Line(*row), 0))
        source.hits.push_back(static_cast<std::uint32_t>(row - rows.rows.begin()));
  }
  if (want_.backward) std::ranges::reverse(source.hits);
}

base::Result<> LogMerge::OpenBlock(Source& source) {
  std::string key;
  PutLogBlockKey(key, streams_[source.stream].id, source.block);
  const rocksdb::ReadOptions options;
  rocksdb::PinnableSlice value;
  if (!want_.contains.empty()) {
    const rocksdb::Status status = db_.Get(options, index_, "f" + key, &value);
    if (!status.ok() && !status.IsNotFound())
      return base::Fail(FromRocks(status, "reading the filter of a log block"));
    const std::string_view filter(value.data(), value.size());
    if (status.ok() && !std::ranges::all_of(want_.contains, [&](const std::string& needle) {
          return LogFilterMayContain(filter, needle);
        }))
      return {};
    value.Reset();
  }
  const rocksdb::Status status = db_.Get(options, blocks_, key, &value);
  if (status.IsNotFound()) return {};  // retention was here
  if (!status.ok()) return base::Fail(FromRocks(status, "reading a log block"));
  ASSIGN_OR_RETURN(const LogBlockReader block,
                   LogBlockReader::Open(std::string_view(value.data(), value.size())));
  ASSIGN_OR_RETURN(std::string lines, block.Lines());
  opened_lines_ = source.block.records;
  opened_bytes_ = lines.size();
  if (!want_.contains.empty() && FindLogText(lines, want_.contains[0], 0) == kNowhere) return {};
  ASSIGN_OR_RETURN(LogRows rows, block.Rows(std::move(lines)));
  source.part = std::make_shared<const LogRows>(std::move(rows));
  FindHits(source, true);
  if (source.hits.empty()) {
    source.part.reset();
    return {};
  }
  // Few hits do not keep the whole block in memory.
  if (source.hits.size() * 4 < source.part->rows.size()) {
    LogRowsBuilder few;
    for (const std::uint32_t hit : source.hits) few.Add(*source.part, source.part->rows[hit]);
    source.part = std::make_shared<const LogRows>(few.Finish());
    source.hits.clear();
    for (std::uint32_t i = 0; i < source.part->rows.size(); ++i) source.hits.push_back(i);
    if (want_.backward) std::ranges::reverse(source.hits);
  }
  source.held_bytes = source.part->Bytes();
  held_bytes_ += source.held_bytes;
  if (held_bytes_ > kMostLogBytesOpen)
    return base::Fail(
        base::ErrorKind::kResourceExhausted,
        fmt::format("the log query would hold more than {} MiB of {} streams at once; select fewer "
                    "streams or a shorter time",
                    kMostLogBytesOpen >> 20, streams_.size()));
  return {};
}

base::Result<> LogMerge::Open(Source& source) {
  source.open = true;
  opened_lines_ = 0;
  opened_bytes_ = 0;
  if (!source.part) return OpenBlock(source);
  opened_lines_ = source.part->rows.size();
  opened_bytes_ = source.part->text.size();
  FindHits(source, false);
  return {};
}

void LogMerge::Visit(const Source& source, const telemetry::LogVisitor& visit, bool& go_on) {
  const LogRows& rows = *source.part;
  const LogRow& row = rows.rows[source.hits[source.next]];
  Stream& stream = streams_[source.stream];
  if (stream.repeats.Seen(rows, row)) return;
  record_.time_ns = row.time_ns;
  record_.line.assign(rows.Line(row));
  // Neighbours mostly share their metadata.
  const telemetry::Labels* const metadata = rows.MetadataOf(row);
  if (source.part != last_part_ || metadata != last_metadata_) {
    record_.metadata = metadata != nullptr ? *metadata : telemetry::Labels();
    last_part_ = source.part;
    last_metadata_ = metadata;
  }
  const LogIds* ids = rows.IdsOf(row);
  record_.trace_id = ids != nullptr ? ids->trace : std::nullopt;
  record_.span_id = ids != nullptr ? ids->span : std::nullopt;
  go_on = visit(*stream.labels, record_);
}

base::Result<> LogMerge::Run(const telemetry::LogVisitor& visit) {
  const auto later = [this](const Turn& a, const Turn& b) { return Later(a, b); };
  std::ranges::make_heap(turns_, later);
  bool go_on = true;
  while (go_on && !turns_.empty()) {
    std::ranges::pop_heap(turns_, later);
    Turn& turn = turns_.back();
    Source& source = sources_[turn.source];
    if (!source.open) {
      RETURN_IF_ERROR(Open(source));
      go_on = !want_.reading || want_.reading(opened_lines_, opened_bytes_);
    } else {
      Visit(source, visit, go_on);
      ++source.next;
    }
    // The same source goes on as long as nothing else has its turn before it.
    while (go_on && source.next < source.hits.size()) {
      const LogRow& row = source.part->rows[source.hits[source.next]];
      turn.time_ns = row.time_ns;
      turn.seq = row.seq;
      if (turns_.size() > 1 && later(turn, turns_.front())) break;
      Visit(source, visit, go_on);
      ++source.next;
    }
    if (source.next < source.hits.size()) {
      std::ranges::push_heap(turns_, later);
    } else {
      held_bytes_ -= source.held_bytes;
      source.part.reset();
      turns_.pop_back();
    }
  }
  return {};
}

}  // namespace enclave::observatory::store
