// Rows of a CSV text (RFC 4180): fields in quotes may hold commas, line ends and doubled quotes.
//
// A row that breaks the rules is reported and skipped up to its next line end, so that one stray
// quote does not swallow the file. The fields live in the text, which the reader rewrites in place
// (doubled quotes become one): no copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace enclave::bench::rca {

class CsvReader {
 public:
  enum class Row : std::uint8_t { kFields, kMalformed, kEnd };

  // `text` outlives the reader, and the fields live as long as it does.
  explicit CsvReader(std::string& text) : text_(text) {}

  // Replaces `fields`. Empty lines are passed over.
  Row Next(std::vector<std::string_view>& fields);
  std::size_t line() const { return row_line_; }  // where the last row began, from 1

 private:
  bool ReadFields(std::size_t& at, std::vector<std::string_view>& fields);

  std::string& text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t row_line_ = 1;
};

// The place of each wanted column; nullopt where the header lacks it.
std::vector<std::optional<std::size_t>> FindColumns(std::span<const std::string_view> header,
                                                    std::span<const std::string_view> wanted);

std::optional<double> ParseNumber(std::string_view text);  // nan and inf are numbers
std::optional<std::int64_t> ParseInteger(std::string_view text);
// "2023-01-29 08:41:09.043078357 +0000 UTC m=+0.119240217", as Go prints a time; only UTC.
std::optional<std::int64_t> ParseGoTimeNs(std::string_view text);

// kNotFound when there is no such file; kTooLarge past `most_bytes`.
base::Result<std::string> ReadFile(const std::string& path,
                                   std::size_t most_bytes = std::size_t{1} << 30);

}  // namespace enclave::bench::rca
