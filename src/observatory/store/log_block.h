// The bytes of log records: columns (times, arrival, lengths, metadata, ids) apart from the lines,
// so that a text search reads the lines alone. docs/formats/observatory-logs-and-spans.md draws
// them. Decoding accepts any bytes: what is not a block is an error (kInternal), never a crash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "observatory/store/log_rows.h"

namespace enclave::observatory::store {

inline constexpr std::size_t kLogBlockBytes = 256 << 10;  // of lines; what a block aims at

// Rows [first, last) of `rows`, appended to `columns` and `lines`.
void EncodeLogColumns(const LogRows& rows, std::size_t first, std::size_t last,
                      std::string& columns, std::string& lines);
base::Result<LogRows> DecodeLogColumns(std::string_view columns, std::string lines);

// Both, each compressed for itself.
std::string EncodeLogBlock(std::string_view columns, std::string_view lines);

// A block whose parts are unpacked on demand. `bytes` outlives it.
class LogBlockReader {
 public:
  static base::Result<LogBlockReader> Open(std::string_view bytes);
  base::Result<std::string> Lines() const;
  base::Result<LogRows> Rows(std::string lines) const;  // with what Lines gave

 private:
  std::string_view columns_;
  std::string_view lines_;
  std::uint64_t columns_bytes_ = 0;
  std::uint64_t lines_bytes_ = 0;
};

// zstd frames with the length in front, for short texts of which some are not worth compressing.
std::string PackLogBytes(std::string_view bytes, int level);
base::Result<std::string> UnpackLogBytes(std::string_view packed, std::uint64_t most_bytes);

}  // namespace enclave::observatory::store
