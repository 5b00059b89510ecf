#include "observatory/logql/pipeline.h"

#include <re2/re2.h>

#include <algorithm>
#include <type_traits>

#include "observatory/logql/line_parsers.h"
#include "observatory/logql/units.h"
#include "observatory/text/template.h"

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

std::optional<double> ParseAs(ValueKind kind, std::string_view text) {
  switch (kind) {
    case ValueKind::kNumber:
      return ParseNumber(text);
    case ValueKind::kDuration:
      return ParseDuration(text);
    case ValueKind::kBytes:
      return ParseBytes(text);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> Pipeline::Literals(const LogSelector& selector) {
  std::vector<std::string> literals;
  for (const Stage& stage : selector.stages) {
    // Behind these a line is not what the source keeps.
    if (std::holds_alternative<LineFormat>(stage) || std::holds_alternative<Decolorize>(stage))
      break;
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
  line_ = record.line;
  parsed_.clear();
  error_.clear();
  error_details_.clear();
  trace_id_ = record.trace_id ? record.trace_id->ToString() : "";
  span_id_ = record.span_id ? record.span_id->ToString() : "";
  for (const Stage& stage : selector_.stages) {
    const bool passes = std::visit(
        [this]<typename Kind>(const Kind& one) {
          if constexpr (std::is_same_v<Kind, LineFilter>) {
            return PassesLines(one);
          } else if constexpr (std::is_same_v<Kind, LabelFilter>) {
            return PassesLabels(one);
          } else {
            Do(one);
            return true;
          }
        },
        stage);
    if (!passes) return false;
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
                          [&](const std::string& text) { return line_.contains(text); }) ||
      std::ranges::any_of(filter.regexes,
                          [&](const auto& regex) { return re2::RE2::PartialMatch(line_, *regex); });
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
  const std::optional<double> value = ParseAs(filter.value_kind, text);
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
  const auto there = std::ranges::find(parsed_, own, &telemetry::Label::name);
  if (there == parsed_.end()) {
    parsed_.push_back({std::move(own), std::string(value)});
  } else if (there->value.empty()) {
    there->value = value;
  }
}

void Pipeline::Set(std::string_view name, std::string_view value) {
  if (name == kError || name == kErrorDetails) {
    (name == kError ? error_ : error_details_) = value;
    return;
  }
  const auto there = std::ranges::find(parsed_, name, &telemetry::Label::name);
  if (there != parsed_.end()) {
    there->value = value;
  } else if (parsed_.size() < kMostParsed) {
    parsed_.push_back({std::string(name), std::string(value)});
  }
}

std::optional<std::string> Pipeline::Expand(const text::Template& format,
                                            const telemetry::Labels& labels) {
  auto made = format.Expand({.labels = labels, .line = line_});
  if (made) return std::move(*made);
  Fail("TemplateFormatErr", made.error().message());
  return std::nullopt;
}

void Pipeline::Do(const LineFormat& stage) {
  std::optional<std::string> made = Expand(*stage.format, All());
  if (!made) return;
  made_ = std::move(*made);
  line_ = made_;
}

void Pipeline::Do(const LabelFormat& stage) {
  // Templates see the labels as they were before the first of them.
  std::optional<telemetry::Labels> labels;
  for (const LabelFormat::One& one : stage.formats) {
    if (one.format == nullptr) {
      const std::string value(Get(one.from));
      if (value.empty()) continue;
      Set(one.label, value);
      if (one.from != one.label) Set(one.from, "");
      continue;
    }
    if (!labels) labels = All();
    if (const auto made = Expand(*one.format, *labels)) Set(one.label, *made);
  }
}

void Pipeline::Do(const LabelChoice& stage) {
  const auto chosen = [&](const std::string& name, std::string_view value) {
    return std::ranges::any_of(stage.labels, [&](const auto& label) {
      return label.first == name && (!label.second || label.second->Matches(value));
    });
  };
  for (const telemetry::Label& label : All()) {
    // What went wrong is kept until it is dropped by name.
    if (stage.keeps && label.name.starts_with("__error")) continue;
    if (chosen(label.name, label.value) != stage.keeps) Set(label.name, "");
  }
}

void Pipeline::Do(const Decolorize&) {
  static const re2::RE2 kColours("\\x1b\\[[0-9;]*[A-Za-z]");
  std::string plain(line_);
  if (re2::RE2::GlobalReplace(&plain, kColours, "") == 0) return;
  made_ = std::move(plain);
  line_ = made_;
}

std::optional<double> Pipeline::Value(const Unwrap& unwrap) {
  const std::string_view text = Get(unwrap.label);
  if (text.empty()) return std::nullopt;
  std::optional<double> value = ParseAs(unwrap.kind, text);
  if (!value) Fail("SampleExtractionErr", "the label " + unwrap.label + " has no value to unwrap");
  for (const LabelFilter& filter : unwrap.filters)
    if (!PassesLabels(filter)) return std::nullopt;
  if (value && unwrap.kind == ValueKind::kDuration) *value /= 1e9;
  return value.value_or(0);
}

void Pipeline::Do(const LineParser& parser) {
  const FoundLabel add = [&](std::string_view name, std::string_view value) {
    AddParsed(name, value);
  };
  if (parser.kind == LineParser::Kind::kJson) {
    std::string wrong =
        parser.wanted.empty() ? FlattenJson(line_, add) : PickJson(line_, parser.wanted, add);
    if (!wrong.empty()) Fail("JSONParserErr", std::move(wrong));
    return;
  }
  if (parser.kind == LineParser::Kind::kRegexp) {
    MatchRegexp(line_, *parser.regex, add);
    return;
  }
  if (parser.kind == LineParser::Kind::kPattern) {
    MatchPattern(line_, parser.pattern, add);
    return;
  }
  std::string wrong =
      ReadLogfmt(line_, parser.strict, [&](std::string_view name, std::string_view value) {
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
