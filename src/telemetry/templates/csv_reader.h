// Comma-separated values (RFC 4180), read block by block: quoted fields may hold commas, quotes and
// line ends. Tolerant: a quote inside an unquoted field is text.
//
// Thread safety: none.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace enclave::telemetry::templates {

class CsvReader {
 public:
  // Gets the fields of one record; they live during the call. An error ends the reading.
  using Record = std::function<base::Result<>(const std::vector<std::string_view>& fields)>;

  static constexpr std::size_t kLongestRecord = std::size_t{16} << 20U;

  // Reads on. kTooLarge when a record grows beyond any use, as after a quote that never ends.
  base::Result<> Take(std::string_view block, const Record& record);
  // The last record may have no line end.
  base::Result<> End(const Record& record);

 private:
  enum class State { kFieldBegin, kPlain, kQuoted, kQuoteInQuoted };

  void EndField();
  base::Result<> EndRecord(const Record& record);

  State state_ = State::kFieldBegin;
  std::string text_;               // of all fields of the record, one behind the other
  std::vector<std::size_t> ends_;  // of the fields in it
  std::vector<std::string_view> fields_;
  std::size_t records_ = 0;
};

// `text` as a field: quoted where it must be.
std::string CsvField(std::string_view text);

}  // namespace enclave::telemetry::templates
