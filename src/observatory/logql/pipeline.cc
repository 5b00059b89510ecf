#include "observatory/logql/pipeline.h"

#include <re2/re2.h>

#include <algorithm>

#include "observatory/logql/line_parsers.h"
#include "observatory/logql/units.h"

namespace enclave::observatory::logql {
namespace {

constexpr std::string_view kError = "__error__";
constexpr std::string_view kErrorDetails = "__error_details__";
constexpr std::size_t kMostParsed = 1000;  // labels of one line

bool Holds(Comparison comparison, double a, double b) {
  switch (comparison) {
    case Comparison::kEqual:
      return a == b;
    case Comparison::kNotEqual:
      return a != b;
    case Comparison::kGreater:
      return a > b;
    case Comparison::kGreaterOrEqual:
      return a >= b;
    case Comparison::kLess:
      return a < b;
    case Comparison::kLessOrEqual:
      return a <= b;
  }
  return false;
}

}  // namespace

std::vector<std::string> Pipeline::Literals(const LogSelector& selector) {
  std::vector<std::string> literals;
  for (const Stage& stage : selector.stages) {
    const auto* filter = std::get_if<LineFilter>(&stage);
    if (filter != nullptr && !filter->negative && filter->texts.size() == 1 &&
        !filter->texts[0].empty())
      literals.push_back(filter->texts[0]);
  }
  return literals;
}

bool Pipeline::Process(const telemetry::Labels& stream, const telemetry::LogRecord& record) {
  stream_ = &stream;
  record_ = &record;
  parsed_.clear();
  error_.clear();
  error_details_.clear();
  trace_id_ = record.trace_id ? record.trace_id->ToString() : "";
  span_id_ = record.span_id ? record.span_id->ToString() : "";
  for (const Stage& stage : selector_.stages) {
    if (const auto* lines = std::get_if<LineFilter>(&stage)) {
      if (!PassesLines(*lines)) return false;
    } else if (const auto* labels = std::get_if<LabelFilter>(&stage)) {
      if (!PassesLabels(*labels)) return false;
    } else {
      Parse(std::get<LineParser>(stage));
    }
  }
  return true;
}

std::string_view Pipeline::GetOwn(std::string_view name) const {
  if (const std::string_view value = record_->metadata.Get(name); !value.empty()) return value;
  if (name == "trace_id" && !trace_id_.empty()) return trace_id_;
  if (name == "span_id" && !span_id_.empty()) return span_id_;
  return stream_->Get(name);
}

std::string_view Pipeline::Get(std::string_view name) const {
  if (name == kError) return error_;
  if (name == kErrorDetails) return error_details_;
  for (const telemetry::Label& label : parsed_)
    if (label.name == name) return label.value;
  return GetOwn(name);
}

telemetry::Labels Pipeline::All() const {
  telemetry::Labels all = *stream_;
  if (!trace_id_.empty()) all.Set("trace_id", trace_id_);
  if (!span_id_.empty()) all.Set("span_id", span_id_);
  for (const telemetry::Label& label : record_->metadata) all.Set(label.name, label.value);
  for (const telemetry::Label& label : parsed_) all.Set(label.name, label.value);
  if (has_error()) {
    all.Set(kError, error_);
    all.Set(kErrorDetails, error_details_);
  }
  return all;
}

bool Pipeline::PassesLines(const LineFilter& filter) const {
  const bool any =
      std::ranges::any_of(filter.texts,
                          [&](const std::string& text) { return record_->line.contains(text); }) ||
      std::ranges::any_of(filter.regexes, [&](const auto& regex) {
        return re2::RE2::PartialMatch(record_->line, *regex);
      });
  return any != filter.negative;
}

bool Pipeline::PassesLabels(const LabelFilter& filter) {
  switch (filter.kind) {
    case LabelFilter::Kind::kText:
      return filter.matcher->Matches(Get(filter.matcher->name()));
    case LabelFilter::Kind::kValue:
      return PassesValue(filter);
    case LabelFilter::Kind::kAnd:
      return PassesLabels(*filter.left) && PassesLabels(*filter.right);
    case LabelFilter::Kind::kOr:
      return PassesLabels(*filter.left) || PassesLabels(*filter.right);
  }
  return false;
}

bool Pipeline::PassesValue(const LabelFilter& filter) {
  if (has_error()) return true;
  const std::string_view text = Get(filter.name);
  if (text.empty()) return false;
  const std::optional<double> value = filter.value_kind == ValueKind::kNumber ? ParseNumber(text)
                                      : filter.value_kind == ValueKind::kDuration
                                          ? ParseDuration(text)
                                          : ParseBytes(text);
  if (!value) {
    Fail("LabelFilterErr", "the label " + filter.name + " has no value that can be compared");
    return true;
  }
  return Holds(filter.comparison, *value, filter.value);
}

void Pipeline::Fail(std::string_view error, std::string details) {
  error_ = error;
  error_details_ = std::move(details);
}

void Pipeline::AddParsed(std::string_view name, std::string_view value) {
  if (name.empty() || parsed_.size() >= kMostParsed) return;
  std::string own(name);
  if (!GetOwn(name).empty()) own += "_extracted";
  const bool there = std::ranges::any_of(
      parsed_, [&](const telemetry::Label& label) { return label.name == own; });
  if (!there) parsed_.push_back({std::move(own), std::string(value)});
}

void Pipeline::Parse(const LineParser& parser) {
  const FoundLabel add = [&](std::string_view name, std::string_view value) {
    AddParsed(name, value);
  };
  if (parser.kind == LineParser::Kind::kJson) {
    std::string wrong = parser.wanted.empty() ? FlattenJson(record_->line, add)
                                              : PickJson(record_->line, parser.wanted, add);
    if (!wrong.empty()) Fail("JSONParserErr", std::move(wrong));
    return;
  }
  if (parser.kind == LineParser::Kind::kRegexp) {
    MatchRegexp(record_->line, *parser.regex, add);
    return;
  }
  if (parser.kind == LineParser::Kind::kPattern) {
    MatchPattern(record_->line, parser.pattern, add);
    return;
  }
  std::string wrong =
      ReadLogfmt(record_->line, parser.strict, [&](std::string_view name, std::string_view value) {
        if (parser.wanted.empty()) {
          if (!value.empty() || parser.keep_empty) AddParsed(name, value);
          return;
        }
        for (const LineParser::Wanted& wanted : parser.wanted)
          if (LabelName(wanted.key) == name) AddParsed(wanted.label, value);
      });
  if (!wrong.empty()) Fail("LogfmtParserErr", std::move(wrong));
}

}  // namespace enclave::observatory::logql
