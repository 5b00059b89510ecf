// What the stages of a selector do to one log record.
//
// Thread safety: one pipeline, one thread; it lives no longer than the selector it was made from.
#pragma once

#include <optional>
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
  // What the line is now.
  std::string_view line() const { return line_; }
  bool has_error() const { return !error_.empty(); }
  // The value to be unwrapped, after Process; none when the record has no such label or the filters
  // behind it leave it out. A text that is no value is an error of the record.
  std::optional<double> Value(const Unwrap& unwrap);

  // Texts that a line must have to pass, for whoever can skip those without them.
  static std::vector<std::string> Literals(const LogSelector& selector);

 private:
  bool PassesLines(const LineFilter& filter) const;
  bool PassesLabels(const LabelFilter& filter);
  bool PassesValue(const LabelFilter& filter);
  // The other stages, which pass everything.
  void Do(const LineParser& parser);
  void Do(const LineFormat& stage);
  void Do(const LabelFormat& stage);
  void Do(const LabelChoice& stage);
  void Do(const Decolorize& stage);
  void Fail(std::string_view error, std::string details);
  // A label that a parser found; one whose name is taken gets the suffix _extracted.
  void AddParsed(std::string_view name, std::string_view value);
  void Set(std::string_view name, std::string_view value);  // "": it goes
  // nullopt, and an error of the record, where the template fails.
  std::optional<std::string> Expand(const text::Template& format, const telemetry::Labels& labels);
  std::string_view GetOwn(std::string_view name) const;  // not of a parser

  const LogSelector& selector_;
  const telemetry::Labels* stream_ = nullptr;
  const telemetry::LogRecord* record_ = nullptr;
  std::string trace_id_;
  std::string span_id_;
  std::string_view line_;                 // the record's, or
  std::string made_;                      // what a stage made of it
  std::vector<telemetry::Label> parsed_;  // found or changed; "": gone
  std::string error_;
  std::string error_details_;
};

}  // namespace enclave::observatory::logql
