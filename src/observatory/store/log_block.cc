#include "observatory/store/log_block.h"

#include <fmt/format.h>
#include <zstd.h>

#include <memory>
#include <span>
#include <unordered_map>

#include "base/check.h"
#include "observatory/store/coding.h"

namespace enclave::observatory::store {
namespace {

constexpr std::uint8_t kLogBlockVersion = 1;
constexpr int kLogBlockLevel = 3;
// More than any block of ours unpacks to; a journal entry or a head that one giant batch filled is
// cut to this, too.
constexpr std::uint64_t kMostUnpackedBytes = 1ULL << 30;

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

std::string CompressLogBytes(std::string_view bytes, int level) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeZstd> context(ZSTD_createCCtx());
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compressCCtx(context.get(), packed.data(), packed.size(),
                                             bytes.data(), bytes.size(), level);
  CHECK(ZSTD_isError(size) == 0, "zstd compresses into a buffer of its own bound");
  packed.resize(size);
  return packed;
}

base::Result<std::string> DecompressLogBytes(std::string_view packed, std::uint64_t bytes) {
  // A frame says how much it holds: a length that lies is found before memory is taken for it.
  if (bytes > kMostUnpackedBytes || ZSTD_getFrameContentSize(packed.data(), packed.size()) != bytes)
    return base::Fail(base::ErrorKind::kInternal,
                      "a compressed part of the logs does not have the length it claims");
  // A frame of zeros is small, but not this small.
  if (bytes / 40000 > packed.size())
    return base::Fail(base::ErrorKind::kInternal, "a compressed part of the logs is cut short");
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeZstd> context(ZSTD_createDCtx());
  std::string unpacked(static_cast<std::size_t>(bytes), '\0');
  const std::size_t size = ZSTD_decompressDCtx(context.get(), unpacked.data(), unpacked.size(),
                                               packed.data(), packed.size());
  if (ZSTD_isError(size) != 0 || size != bytes)
    return base::Fail(base::ErrorKind::kInternal,
                      fmt::format("cannot decompress a part of the logs: {}",
                                  ZSTD_isError(size) != 0 ? ZSTD_getErrorName(size) : "too short"));
  return unpacked;
}

std::unexpected<base::Error> NoLogColumns(std::string_view what) {
  return base::Fail(base::ErrorKind::kInternal,
                    fmt::format("the columns of a log block are corrupt: {}", what));
}

std::uint64_t FirstWord(std::optional<trace::TraceId> trace) {
  return trace ? trace->high() : 0;
}
std::uint64_t SecondWord(std::optional<trace::TraceId> trace) {
  return trace ? trace->low() : 0;
}

// Rows as they are being decoded, with one column after the other.
base::Result<> DecodeLogMetadata(ByteReader& reader, LogRows& out) {
  const std::uint64_t sets = reader.Varint();
  if (sets > reader.left()) return NoLogColumns("more metadata than bytes");
  for (std::uint64_t i = 0; i < sets; ++i) {
    const std::uint64_t labels = reader.Varint();
    if (labels > reader.left()) return NoLogColumns("more labels than bytes");
    std::vector<telemetry::Label> set;
    for (std::uint64_t j = 0; j < labels && reader.ok(); ++j) {
      std::string name(reader.Text());
      set.push_back({std::move(name), std::string(reader.Text())});
    }
    out.metadata.push_back(telemetry::Labels::From(std::move(set)));
  }
  for (LogRow& row : out.rows) {
    const std::uint64_t index = sets == 0 ? 0 : reader.Varint();
    if (index > sets) return NoLogColumns("metadata that is not there");
    row.metadata = static_cast<std::uint32_t>(index);
  }
  return {};
}

base::Result<> DecodeLogIds(ByteReader& reader, LogRows& out) {
  const std::uint64_t traces = reader.Varint();
  if (traces > reader.left() / 16) return NoLogColumns("more traces than bytes");
  std::vector<std::optional<trace::TraceId>> table;
  for (std::uint64_t i = 0; i < traces; ++i) {
    const std::uint64_t high = reader.Fixed64();
    const std::uint64_t low = reader.Fixed64();
    table.push_back(TraceIdOf(high, low));
  }
  if (traces == 0) return {};
  for (LogRow& row : out.rows) {
    const std::uint64_t index = reader.Varint();
    if (index > traces) return NoLogColumns("a trace that is not there");
    if (index == 0) continue;
    out.ids.push_back({table[index - 1], std::nullopt});
    row.ids = static_cast<std::uint32_t>(out.ids.size());
  }
  for (LogIds& ids : out.ids) ids.span = SpanIdOf(reader.Fixed64());
  return {};
}

}  // namespace

void EncodeLogColumns(const LogRows& rows, std::size_t first, std::size_t last,
                      std::string& columns, std::string& lines) {
  CHECK(first <= last && last <= rows.rows.size(), "rows that are there");
  const std::span<const LogRow> range(rows.rows.data() + first, last - first);
  PutVarint(columns, range.size());
  std::int64_t time = 0;
  for (const LogRow& row : range) {
    PutVarint(columns, ZigZag(WrapSub(row.time_ns, time)));
    time = row.time_ns;
  }
  std::uint64_t seq = 0;
  for (const LogRow& row : range) {
    PutVarint(columns, ZigZag(static_cast<std::int64_t>(row.seq - seq)));
    seq = row.seq;
  }
  for (const LogRow& row : range) {
    PutVarint(columns, row.length);
    lines.append(rows.Line(row));
  }

  // Only the metadata that these rows use, numbered anew.
  std::vector<std::uint32_t> number(rows.metadata.size() + 1, 0);
  std::vector<std::uint32_t> used;
  for (const LogRow& row : range) {
    if (row.metadata == 0 || number[row.metadata] != 0) continue;
    used.push_back(row.metadata);
    number[row.metadata] = static_cast<std::uint32_t>(used.size());
  }
  PutVarint(columns, used.size());
  for (const std::uint32_t index : used) {
    const telemetry::Labels& labels = rows.metadata[index - 1];
    PutVarint(columns, labels.size());
    for (const telemetry::Label& label : labels) {
      PutText(columns, label.name);
      PutText(columns, label.value);
    }
  }
  if (!used.empty())
    for (const LogRow& row : range) PutVarint(columns, number[row.metadata]);

  struct HashOfTrace {
    std::size_t operator()(const std::pair<std::uint64_t, std::uint64_t>& words) const {
      return words.first ^ (words.second * 0x9e3779b97f4a7c15ULL);
    }
  };
  std::unordered_map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t, HashOfTrace> numbers;
  std::vector<std::uint64_t> of_row;
  std::string table;
  for (const LogRow& row : range) {
    const LogIds* ids = rows.IdsOf(row);
    if (ids == nullptr) {
      of_row.push_back(0);
      continue;
    }
    const std::pair words(FirstWord(ids->trace), SecondWord(ids->trace));
    const auto [at, added] = numbers.try_emplace(words, numbers.size() + 1);
    if (added) {
      PutFixed64(table, words.first);
      PutFixed64(table, words.second);
    }
    of_row.push_back(at->second);
  }
  PutVarint(columns, numbers.size());
  columns += table;
  if (!numbers.empty()) {
    for (const std::uint64_t index : of_row) PutVarint(columns, index);
    for (const LogRow& row : range)
      if (const LogIds* ids = rows.IdsOf(row))
        PutFixed64(columns, ids->span ? ids->span->value() : 0);
  }
}

base::Result<LogRows> DecodeLogColumns(std::string_view columns, std::string lines) {
  ByteReader reader(columns);
  LogRows out;
  const std::uint64_t count = reader.Varint();
  if (count > reader.left() / 3) return NoLogColumns("more rows than bytes");
  if (lines.size() > UINT32_MAX) return NoLogColumns("too many bytes of lines");
  out.rows.resize(static_cast<std::size_t>(count));
  std::int64_t time = 0;
  for (std::size_t i = 0; i < out.rows.size(); ++i) {
    time = WrapAdd(time, reader.Signed());
    if (i > 0 && time < out.rows[i - 1].time_ns) return NoLogColumns("times go back");
    out.rows[i].time_ns = time;
  }
  std::uint64_t seq = 0;
  for (LogRow& row : out.rows) {
    seq += static_cast<std::uint64_t>(reader.Signed());
    row.seq = seq;
  }
  std::uint64_t offset = 0;
  for (LogRow& row : out.rows) {
    const std::uint64_t length = reader.Varint();
    if (length > lines.size() - offset) return NoLogColumns("lines longer than the text");
    row.offset = static_cast<std::uint32_t>(offset);
    row.length = static_cast<std::uint32_t>(length);
    offset += length;
  }
  if (offset != lines.size()) return NoLogColumns("lines shorter than the text");
  RETURN_IF_ERROR(DecodeLogMetadata(reader, out));
  RETURN_IF_ERROR(DecodeLogIds(reader, out));
  if (!reader.ok() || !reader.AtEnd()) return NoLogColumns("they do not end where they should");
  out.text = std::move(lines);
  return out;
}

std::string EncodeLogBlock(std::string_view columns, std::string_view lines) {
  const std::string packed_columns = CompressLogBytes(columns, kLogBlockLevel);
  const std::string packed_lines = CompressLogBytes(lines, kLogBlockLevel);
  std::string block;
  block.reserve(packed_columns.size() + packed_lines.size() + 1 + 3 * kMostVarintBytes);
  block += static_cast<char>(kLogBlockVersion);
  PutVarint(block, columns.size());
  PutVarint(block, lines.size());
  PutText(block, packed_columns);
  block += packed_lines;
  return block;
}

base::Result<LogBlockReader> LogBlockReader::Open(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.Byte() != kLogBlockVersion)
    return base::Fail(base::ErrorKind::kInternal, "a log block has a version that is not known");
  LogBlockReader block;
  block.columns_bytes_ = reader.Varint();
  block.lines_bytes_ = reader.Varint();
  block.columns_ = reader.Text();
  if (!reader.ok()) return base::Fail(base::ErrorKind::kInternal, "a log block is cut short");
  block.lines_ = reader.rest();
  return block;
}

base::Result<std::string> LogBlockReader::Lines() const {
  return DecompressLogBytes(lines_, lines_bytes_);
}

base::Result<LogRows> LogBlockReader::Rows(std::string lines) const {
  ASSIGN_OR_RETURN(const std::string columns, DecompressLogBytes(columns_, columns_bytes_));
  return DecodeLogColumns(columns, std::move(lines));
}

std::string PackLogBytes(std::string_view bytes, int level) {
  std::string packed;
  if (bytes.size() >= 256) {
    PutVarint(packed, bytes.size());
    packed += CompressLogBytes(bytes, level);
  } else {
    PutVarint(packed, 0);
    packed += bytes;
  }
  return packed;
}

base::Result<std::string> UnpackLogBytes(std::string_view packed, std::uint64_t most_bytes) {
  ByteReader reader(packed);
  const std::uint64_t bytes = reader.Varint();
  if (!reader.ok() || bytes > most_bytes)
    return base::Fail(base::ErrorKind::kInternal, "packed bytes of the logs are corrupt");
  if (bytes == 0) return std::string(reader.rest());
  return DecompressLogBytes(reader.rest(), bytes);
}

}  // namespace enclave::observatory::store
