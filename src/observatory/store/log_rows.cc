#include "observatory/store/log_rows.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace enclave::observatory::store {

std::optional<trace::TraceId> TraceIdOf(std::uint64_t high, std::uint64_t low) {
  struct Words {
    std::uint64_t high, low;
  };
  if (high == 0 && low == 0) return std::nullopt;
  return std::bit_cast<trace::TraceId>(Words{high, low});
}

std::optional<trace::SpanId> SpanIdOf(std::uint64_t value) {
  if (value == 0) return std::nullopt;
  return std::bit_cast<trace::SpanId>(value);
}

std::uint64_t LogRows::Hash(const LogRow& row) const {
  const std::string_view line = Line(row);
  std::uint64_t hash = XXH3_64bits(line.data(), line.size());
  if (const telemetry::Labels* labels = MetadataOf(row)) hash = hash * 31 + labels->Hash();
  if (const LogIds* own = IdsOf(row)) {
    const std::uint64_t words[] = {hash, own->trace ? own->trace->high() : 0,
                                   own->trace ? own->trace->low() : 0,
                                   own->span ? own->span->value() : 0};
    hash = XXH3_64bits(words, sizeof words);
  }
  return hash;
}

std::size_t LogRows::Bytes() const {
  std::size_t bytes =
      sizeof(LogRows) + rows.size() * sizeof(LogRow) + text.size() + ids.size() * sizeof(LogIds);
  for (const telemetry::Labels& labels : metadata)
    for (const telemetry::Label& label : labels)
      bytes += sizeof(telemetry::Label) + label.name.size() + label.value.size();
  return bytes;
}

void LogRowsBuilder::Add(std::int64_t time_ns, std::uint64_t seq, std::string_view line,
                         const telemetry::Labels* metadata, const LogIds& ids) {
  CHECK(rows_.text.size() + line.size() <= UINT32_MAX, "the lines of one part are below 4 GiB");
  LogRow row{time_ns,
             seq,
             static_cast<std::uint32_t>(rows_.text.size()),
             static_cast<std::uint32_t>(line.size()),
             0,
             0};
  if (metadata != nullptr && !metadata->empty()) {
    // Mostly it is that of the record before.
    if (!rows_.rows.empty() && rows_.rows.back().metadata != 0 &&
        rows_.metadata[rows_.rows.back().metadata - 1] == *metadata) {
      row.metadata = rows_.rows.back().metadata;
    } else {
      const std::uint64_t hash = metadata->Hash();
      const auto [begin, end] = known_.equal_range(hash);
      for (auto at = begin; at != end && row.metadata == 0; ++at)
        if (rows_.metadata[at->second - 1] == *metadata) row.metadata = at->second;
      if (row.metadata == 0) {
        rows_.metadata.push_back(*metadata);
        row.metadata = static_cast<std::uint32_t>(rows_.metadata.size());
        known_.emplace(hash, row.metadata);
      }
    }
  }
  if (ids.trace || ids.span) {
    rows_.ids.push_back(ids);
    row.ids = static_cast<std::uint32_t>(rows_.ids.size());
  }
  rows_.text.append(line);
  rows_.rows.push_back(row);
}

void LogRowsBuilder::Add(const LogRows& from, const LogRow& row) {
  const LogIds* ids = from.IdsOf(row);
  Add(row.time_ns, row.seq, from.Line(row), from.MetadataOf(row), ids != nullptr ? *ids : LogIds());
}

LogRows LogRowsBuilder::Finish() {
  std::vector<LogRow>& rows = rows_.rows;
  const auto key = [](const LogRow& row) { return std::pair(row.time_ns, row.seq); };
  if (!std::ranges::is_sorted(rows, {}, key)) {
    // Rows that are equal so far stay in the order they came.
    std::vector<std::uint32_t> order(rows.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, {},
                      [&](std::uint32_t i) { return std::tuple(rows[i].time_ns, rows[i].seq, i); });
    std::vector<LogRow> sorted;
    sorted.reserve(rows.size());
    for (const std::uint32_t i : order) sorted.push_back(rows[i]);
    rows = std::move(sorted);
  }
  const auto same_time = [](const LogRow& a, const LogRow& b) { return a.time_ns == b.time_ns; };
  if (std::ranges::adjacent_find(rows, same_time) != rows.end()) {
    LogRepeats repeats;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const LogRow row = rows[i];
      const bool alone = (i == 0 || rows[i - 1].time_ns != row.time_ns) &&
                         (i + 1 == rows.size() || rows[i + 1].time_ns != row.time_ns);
      if (alone || !repeats.Seen(rows_, row)) rows[kept++] = row;
    }
    rows.resize(kept);
  }
  known_.clear();
  return std::exchange(rows_, LogRows());
}

LogRows MergeLogRows(const std::vector<LogRowsPtr>& parts) {
  struct From {
    const LogRows* part;
    const LogRow* row;
    std::size_t order;
  };
  std::vector<From> all;
  for (const LogRowsPtr& part : parts)
    for (const LogRow& row : part->rows) all.push_back({part.get(), &row, all.size()});
  const auto key = [](const From& from) {
    return std::tuple(from.row->time_ns, from.row->seq, from.order);
  };
  if (!std::ranges::is_sorted(all, {}, key)) std::ranges::sort(all, {}, key);
  LogRowsBuilder builder;
  for (const From& from : all) builder.Add(*from.part, *from.row);
  return builder.Finish();
}

bool LogRepeats::Seen(const LogRows& rows, const LogRow& row) {
  if (hashes_.empty() || row.time_ns != time_ns_) {
    hashes_.clear();
    time_ns_ = row.time_ns;
  }
  const std::uint64_t hash = rows.Hash(row);
  const auto at = std::ranges::lower_bound(hashes_, hash);
  if (at != hashes_.end() && *at == hash) return true;
  hashes_.insert(at, hash);
  return false;
}

}  // namespace enclave::observatory::store
