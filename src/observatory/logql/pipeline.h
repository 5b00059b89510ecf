// What the stages of a selector do to one log record.
//
// Thread safety: one pipeline, one thread; it lives no longer than the selector it was made from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "observatory/logql/ast.h"
#include "telemetry/labels.h"
#include "telemetry/log_record.h"

namespace enclave::observatory::logql {

class Pipeline {
 public:
  explicit Pipeline(const LogSelector& selector) : selector_(selector) {}

  // Whether the record passes. What is asked below is about the last one, while it lives. A stage
  // that cannot read a line lets it pass, and says so in the label __error__.
  bool Process(const telemetry::Labels& stream, const telemetry::LogRecord& record);

  // Labels of the record: what the parsers found, its metadata, trace_id and span_id, and those of
  // its stream, the earlier before the later. "" for none.
  std::string_view Get(std::string_view name) const;
  telemetry::Labels All() const;
  bool has_error() const { return !error_.empty(); }

  // Texts that a line must have to pass, for whoever can skip those without them.
  static std::vector<std::string> Literals(const LogSelector& selector);

 private:
  bool PassesLines(const LineFilter& filter) const;
  bool PassesLabels(const LabelFilter& filter);
  bool PassesValue(const LabelFilter& filter);
  void Parse(const LineParser& parser);
  void Fail(std::string_view error, std::string details);
  // A label that a parser found; one whose name is taken gets the suffix _extracted.
  void AddParsed(std::string_view name, std::string_view value);
  std::string_view GetOwn(std::string_view name) const;  // not of a parser

  const LogSelector& selector_;
  const telemetry::Labels* stream_ = nullptr;
  const telemetry::LogRecord* record_ = nullptr;
  std::string trace_id_;
  std::string span_id_;
  std::vector<telemetry::Label> parsed_;
  std::string error_;
  std::string error_details_;
};

}  // namespace enclave::observatory::logql
