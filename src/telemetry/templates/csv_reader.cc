#include "telemetry/templates/csv_reader.h"

#include <fmt/format.h>

namespace enclave::telemetry::templates {

void CsvReader::EndField() {
  ends_.push_back(text_.size());
  state_ = State::kFieldBegin;
}

base::Result<> CsvReader::EndRecord(const Record& record) {
  // A carriage return before the line end belongs to that.
  if (state_ == State::kPlain && text_.ends_with('\r')) text_.pop_back();
  const bool blank = ends_.empty() && text_.empty() && state_ != State::kQuoteInQuoted;
  EndField();
  ++records_;
  fields_.clear();
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    fields_.push_back(std::string_view(text_).substr(begin, end - begin));
    begin = end;
  }
  base::Result<> taken;
  if (!blank) taken = record(fields_);
  text_.clear();
  ends_.clear();
  return taken;
}

base::Result<> CsvReader::Take(std::string_view block, const Record& record) {
  for (const char c : block) {
    switch (state_) {
      case State::kFieldBegin:
        if (c == '"') {
          state_ = State::kQuoted;
          continue;
        }
        state_ = State::kPlain;
        [[fallthrough]];
      case State::kPlain:
        if (c == ',')
          EndField();
        else if (c == '\n')
          RETURN_IF_ERROR(EndRecord(record));
        else
          text_.push_back(c);
        continue;
      case State::kQuoted:
        if (c == '"')
          state_ = State::kQuoteInQuoted;
        else
          text_.push_back(c);
        break;
      case State::kQuoteInQuoted:
        if (c == '"') {
          text_.push_back(c);
          state_ = State::kQuoted;
        } else if (c == ',') {
          EndField();
        } else if (c == '\n') {
          RETURN_IF_ERROR(EndRecord(record));
        } else if (c != '\r') {
          text_.push_back(c);
          state_ = State::kPlain;
        }
        continue;
    }
    if (text_.size() > kLongestRecord)
      return base::Fail(base::ErrorKind::kTooLarge,
                        fmt::format("CSV: record {} is longer than {} bytes; a quote that does not "
                                    "end is in it or before it",
                                    records_ + 1, kLongestRecord));
  }
  return {};
}

base::Result<> CsvReader::End(const Record& record) {
  if (state_ == State::kFieldBegin && ends_.empty()) return {};
  return EndRecord(record);
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field.push_back('"');
    field.push_back(c);
  }
  field.push_back('"');
  return field;
}

}  // namespace enclave::telemetry::templates
