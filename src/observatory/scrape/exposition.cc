#include "observatory/scrape/exposition.h"

#include <fmt/format.h>

#include "base/quote.h"
#include "observatory/scrape/exposition_text.h"

namespace enclave::observatory::scrape {
namespace {

using base::ErrorKind;
using telemetry::MetricType;

constexpr std::size_t kMostQuoted = 80;

std::string Shown(std::string_view text) {
  return base::Quote(text.substr(0, kMostQuoted));
}

void SkipBlanks(std::string_view& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  text.remove_prefix(first == std::string_view::npos ? text.size() : first);
}

// The part up to the next blank.
std::string_view TakeWord(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

std::optional<MetricType> TypeOf(std::string_view word, ExpositionFormat format) {
  if (word == "counter") return MetricType::kCounter;
  if (word == "gauge") return MetricType::kGauge;
  if (word == "histogram") return MetricType::kHistogram;
  if (word == "summary") return MetricType::kSummary;
  if (format == ExpositionFormat::kPrometheusText) {
    return word == "untyped" || word == "unknown" ? std::optional(MetricType::kUnknown)
                                                  : std::nullopt;
  }
  if (word == "unknown") return MetricType::kUnknown;
  if (word == "gaugehistogram") return MetricType::kGaugeHistogram;
  if (word == "info") return MetricType::kInfo;
  if (word == "stateset") return MetricType::kStateSet;
  return std::nullopt;
}

// Where the '}' stands that closes the label set; npos: nowhere. `text` begins behind the '{'.
std::size_t FindClosingBrace(std::string_view text) {
  std::size_t i = 0;
  while (true) {
    i = text.find_first_of("\"}", i);
    if (i == std::string_view::npos || text[i] == '}') return i;
    i = FindClosingQuote(text, i, nullptr);
    if (i == std::string_view::npos) return i;
    ++i;
  }
}

// Takes apart `name="value",...` up to the closing brace, calling `add(name, name_escaped, value,
// value_escaped)`; with an empty name for a quoted text that stands alone. Says what is wrong.
template <typename Add>
std::optional<std::string> ReadLabelSet(std::string_view text, Add add) {
  while (true) {
    SkipBlanks(text);
    if (text.empty()) return std::nullopt;
    std::string_view name;
    bool name_escaped = false;
    bool quoted = false;
    if (text.front() == '"') {
      const std::size_t end = FindClosingQuote(text, 0, &name_escaped);
      if (end == std::string_view::npos) return "a quoted name does not end";
      name = text.substr(1, end - 1);
      text.remove_prefix(end + 1);
      quoted = true;
    } else {
      const std::size_t end = std::min(text.find_first_of("=, \t\""), text.size());
      name = text.substr(0, end);
      text.remove_prefix(end);
      if (!IsLabelName(name)) return fmt::format("{} is no label name", Shown(name));
    }
    SkipBlanks(text);
    if (!text.starts_with('=')) {
      if (!quoted) return fmt::format("expected = after the label name {}", Shown(name));
      if (!add(std::string_view(), false, name, name_escaped)) {
        return fmt::format("a second metric name {}", Shown(name));
      }
    } else {
      text.remove_prefix(1);
      SkipBlanks(text);
      bool escaped = false;
      const std::size_t end =
          text.starts_with('"') ? FindClosingQuote(text, 0, &escaped) : std::string_view::npos;
      if (end == std::string_view::npos) {
        return fmt::format("the value of the label {} must be quoted", Shown(name));
      }
      const std::string_view value = text.substr(1, end - 1);
      if (!IsUtf8(value)) return fmt::format("the label {} is not UTF-8", Shown(name));
      if (name.empty()) return "a label has an empty name";
      add(name, name_escaped, value, escaped);
      text.remove_prefix(end + 1);
    }
    SkipBlanks(text);
    if (text.empty()) return std::nullopt;
    if (text.front() != ',') return fmt::format("expected , or }} before {}", Shown(text));
    text.remove_prefix(1);
  }
}

}  // namespace

ExpositionFormat FormatOf(std::string_view content_type) {
  std::string lower;
  for (const char c : content_type.substr(0, content_type.find(';'))) {
    if (c != ' ') lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower == "application/openmetrics-text" ? ExpositionFormat::kOpenMetrics
                                                 : ExpositionFormat::kPrometheusText;
}

std::unexpected<base::Error> ExpositionParser::Refuse(std::string_view why) const {
  return base::Fail(ErrorKind::kInvalidArgument, fmt::format("line {}: {}", line_, why));
}

base::Result<ExpositionParser::Entry> ExpositionParser::Next() {
  const bool open = format_ == ExpositionFormat::kOpenMetrics;
  while (!ended_) {
    ++line_;
    if (AtEnd()) {
      if (open) return Refuse("the text ends without # EOF: it was cut off");
      ended_ = true;
      break;
    }
    const std::size_t newline = text_.find('\n', at_);
    const std::size_t end = newline == std::string_view::npos ? text_.size() : newline;
    std::string_view line = text_.substr(at_, end - at_);
    at_ = newline == std::string_view::npos ? end : end + 1;
    if (open) {
      if (line == "# EOF") {
        ended_ = true;
        if (!AtEnd()) return Refuse("there is text after # EOF");
        break;
      }
      if (newline == std::string_view::npos) return Refuse("the line does not end");
      if (line.empty()) return Refuse("an empty line");
      if (line.front() == '#') return ReadComment(line);
      return ReadSample(line);
    }
    SkipBlanks(line);
    if (line.empty()) continue;
    if (line.front() != '#') return ReadSample(line);
    auto entry = ReadComment(line);
    if (!entry || *entry != Entry::kEnd) return entry;
    // An ordinary comment.
  }
  return Entry::kEnd;
}

base::Result<> ExpositionParser::ReadName(std::string_view& rest) {
  if (rest.starts_with('"')) {
    bool escaped = false;
    const std::size_t end = FindClosingQuote(rest, 0, &escaped);
    if (end == std::string_view::npos) return Refuse("a quoted name does not end");
    metric_ = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (escaped) metric_ = unquoted_ = Unescape(metric_, true);
    if (metric_.empty() || !IsUtf8(metric_)) return Refuse("a metric name is empty or not UTF-8");
    return {};
  }
  metric_ = TakeWord(rest);
  if (!IsMetricName(metric_)) return Refuse(fmt::format("{} is no metric name", Shown(metric_)));
  return {};
}

// # TYPE name word | # HELP name text | # UNIT name word. kEnd stands for a comment without
// meaning, which only Prometheus' text has.
base::Result<ExpositionParser::Entry> ExpositionParser::ReadComment(std::string_view line) {
  const bool open = format_ == ExpositionFormat::kOpenMetrics;
  std::string_view rest = line.substr(1);
  if (open && !rest.starts_with(' ')) return Refuse("expected a blank after #");
  SkipBlanks(rest);
  const std::string_view word = TakeWord(rest);
  const bool known = word == "TYPE" || word == "HELP" || (open && word == "UNIT");
  if (!known && !open) return Entry::kEnd;
  if (!known) return Refuse(fmt::format("expected TYPE, HELP, UNIT or EOF, not {}", Shown(word)));
  SkipBlanks(rest);
  RETURN_IF_ERROR(ReadName(rest));
  if (word == "HELP") {
    if (open && !rest.empty()) {
      rest.remove_prefix(1);
    } else {
      SkipBlanks(rest);
    }
    if (!IsUtf8(rest)) return Refuse("the help text is not UTF-8");
    description_ = Unescape(rest, open);
    return Entry::kHelp;
  }
  SkipBlanks(rest);
  const std::string_view value = TakeWord(rest);
  SkipBlanks(rest);
  if (!rest.empty()) return Refuse(fmt::format("unexpected {} after {}", Shown(rest), word));
  if (word == "TYPE") {
    const auto type = TypeOf(value, format_);
    if (!type) return Refuse(fmt::format("{} is no type of metric", Shown(value)));
    type_ = *type;
    return Entry::kType;
  }
  if (!value.empty() && (metric_.size() <= value.size() + 1 || !metric_.ends_with(value) ||
                         metric_[metric_.size() - value.size() - 1] != '_')) {
    return Refuse(fmt::format("the unit {} is not at the end of the metric's name {}", Shown(value),
                              Shown(metric_)));
  }
  description_ = value;
  return Entry::kUnit;
}

// series value [timestamp] [# exemplar]
base::Result<ExpositionParser::Entry> ExpositionParser::ReadSample(std::string_view line) {
  const bool open = format_ == ExpositionFormat::kOpenMetrics;
  exemplar_ = {};
  time_ms_.reset();
  std::size_t end = line.find_first_of("{ \t");
  if (end == std::string_view::npos) return Refuse(fmt::format("{} has no value", Shown(line)));
  std::size_t brace = end;
  while (!open && brace < line.size() && (line[brace] == ' ' || line[brace] == '\t')) ++brace;
  if (brace < line.size() && line[brace] == '{') {
    const std::size_t close = FindClosingBrace(line.substr(brace + 1));
    if (close == std::string_view::npos) return Refuse("a label set does not end");
    end = brace + 1 + close + 1;
  }
  series_ = line.substr(0, end);
  std::string_view rest = line.substr(end);
  if (open && !rest.starts_with(' ')) return Refuse("expected a blank before the value");
  SkipBlanks(rest);
  const std::string_view number = TakeWord(rest);
  const auto value = ParseNumber(number);
  if (!value) return Refuse(fmt::format("{} is no number", Shown(number)));
  value_ = *value;
  SkipBlanks(rest);
  if (rest.empty()) return Entry::kSample;
  if (!(open && rest.front() == '#')) {
    const std::string_view stamp = TakeWord(rest);
    time_ms_ = open ? ParseSeconds(stamp) : ParseMilliseconds(stamp);
    if (!time_ms_) return Refuse(fmt::format("{} is no timestamp", Shown(stamp)));
    SkipBlanks(rest);
  }
  if (rest.empty()) return Entry::kSample;
  if (!open) return Refuse(fmt::format("unexpected {} after the sample", Shown(rest)));
  RETURN_IF_ERROR(ReadExemplarText(rest));
  return Entry::kSample;
}

base::Result<> ExpositionParser::ReadExemplarText(std::string_view rest) {
  if (!rest.starts_with("# {")) {
    return Refuse(fmt::format("expected an exemplar (# {{...}} value), not {}", Shown(rest)));
  }
  exemplar_ = rest.substr(2);
  if (FindClosingBrace(exemplar_.substr(1)) == std::string_view::npos) {
    return Refuse("the label set of an exemplar does not end");
  }
  return {};
}

base::Result<> ExpositionParser::ReadSeries(std::vector<telemetry::LabelView>& labels,
                                            telemetry::Batch& batch) const {
  const std::size_t brace = series_.find('{');
  std::string_view name = series_.substr(0, brace);
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
  const std::size_t at = labels.size();
  labels.push_back({telemetry::kMetricName, name});
  if (!name.empty() && !IsMetricName(name)) {
    return Refuse(fmt::format("{} is no metric name", Shown(name)));
  }
  if (brace != std::string_view::npos) {
    const auto text = [&batch](std::string_view raw, bool escaped) {
      return escaped ? batch.Keep(Unescape(raw, true)) : raw;
    };
    const auto add = [&](std::string_view label, bool label_escaped, std::string_view value,
                         bool escaped) {
      if (label.empty()) {
        if (!labels[at].value.empty() || value.empty() || !IsUtf8(value)) return false;
        labels[at].value = text(value, escaped);
        return true;
      }
      labels.push_back({text(label, label_escaped), text(value, escaped)});
      return true;
    };
    const std::string_view inside = series_.substr(brace + 1, series_.size() - brace - 2);
    if (const auto wrong = ReadLabelSet(inside, add)) return Refuse(*wrong);
    for (std::size_t i = at + 1; i < labels.size(); ++i) {
      if (!IsUtf8(labels[i].name)) return Refuse("a label's name is not UTF-8");
      if (labels[i].name == telemetry::kMetricName) return Refuse("__name__ is no label here");
    }
  }
  if (labels[at].value.empty()) return Refuse("a sample has no metric name");
  return {};
}

base::Result<telemetry::Exemplar> ExpositionParser::ReadExemplar(
    std::int64_t default_time_ms) const {
  telemetry::Exemplar exemplar;
  exemplar.time_ms = time_ms_.value_or(default_time_ms);
  const std::size_t close = FindClosingBrace(exemplar_.substr(1));
  std::vector<telemetry::Label> labels;
  const auto add = [&](std::string_view name, bool name_escaped, std::string_view value,
                       bool escaped) {
    if (name.empty()) return false;
    std::string text = escaped ? Unescape(value, true) : std::string(value);
    if (name == "trace_id" && (exemplar.trace_id = trace::TraceId::Parse(text))) return true;
    if (name == "span_id" && (exemplar.span_id = trace::SpanId::Parse(text))) return true;
    labels.push_back({name_escaped ? Unescape(name, true) : std::string(name), std::move(text)});
    return true;
  };
  if (const auto wrong = ReadLabelSet(exemplar_.substr(1, close), add)) return Refuse(*wrong);
  exemplar.labels = telemetry::Labels::From(std::move(labels));
  std::string_view rest = exemplar_.substr(close + 2);
  SkipBlanks(rest);
  const auto value = ParseNumber(TakeWord(rest));
  if (!value) return Refuse("the exemplar has no number");
  exemplar.value = *value;
  SkipBlanks(rest);
  if (!rest.empty()) {
    const auto time_ms = ParseSeconds(rest);
    if (!time_ms) return Refuse(fmt::format("{} is no timestamp of an exemplar", Shown(rest)));
    exemplar.time_ms = *time_ms;
  }
  return exemplar;
}

}  // namespace enclave::observatory::scrape
