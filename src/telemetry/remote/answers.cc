#include "telemetry/remote/answers.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/quote.h"

namespace enclave::telemetry::remote {
namespace {

using base::ErrorKind;
using base::Fail;
namespace dom = simdjson::dom;

base::Error NotAnAnswer(std::string_view what) {
  return {ErrorKind::kUnavailable, fmt::format("the answer is not understood: {}", what)};
}

std::string_view TextAt(const dom::object& object, std::string_view key) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) return {};
  return text;
}

Labels LabelsOf(const dom::object& object) {
  std::vector<Label> labels;
  for (const auto [key, value] : object) {
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS)
      labels.push_back({std::string(key), std::string(text)});
  }
  return Labels::From(std::move(labels));
}

// The parser with the document it holds; "data" of an answer that says "success".
class Answer {
 public:
  base::Result<dom::element> Data(std::string_view body) {
    ASSIGN_OR_RETURN(const dom::element document, Whole(body));
    dom::object object;
    if (document.get(object) != simdjson::SUCCESS) return Fail(NotAnAnswer("it is no object"));
    if (TextAt(object, "status") != "success") {
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("it answers {}", base::Quote(TextAt(object, "error"))));
    }
    dom::element data;
    if (object["data"].get(data) != simdjson::SUCCESS)
      return Fail(NotAnAnswer("it has no \"data\""));
    return data;
  }
  base::Result<dom::element> Whole(std::string_view body) {
    dom::element document;
    if (const auto error = parser_.parse(body.data(), body.size()).get(document);
        error != simdjson::SUCCESS)
      return Fail(NotAnAnswer(simdjson::error_message(error)));
    return document;
  }
  base::Result<dom::array> Items(std::string_view body) {
    ASSIGN_OR_RETURN(const dom::element data, Data(body));
    dom::array items;
    // Without matches some say null.
    if (data.is_null()) {
      static_cast<void>(parser_.parse(std::string_view("[]")).get(items));
      return items;
    }
    if (data.get(items) != simdjson::SUCCESS) return Fail(NotAnAnswer("\"data\" is no list"));
    return items;
  }
  // "result" of the type asked for.
  base::Result<dom::array> Results(std::string_view body, std::string_view type,
                                   std::string_view or_type) {
    ASSIGN_OR_RETURN(const dom::element data, Data(body));
    dom::object object;
    dom::array result;
    if (data.get(object) != simdjson::SUCCESS || object["result"].get(result) != simdjson::SUCCESS)
      return Fail(NotAnAnswer("it has no \"result\""));
    const std::string_view got = TextAt(object, "resultType");
    if (got != type && got != or_type)
      return Fail(
          NotAnAnswer(fmt::format("a {} where a {} was asked for", base::Quote(got), type)));
    return result;
  }

 private:
  dom::parser parser_;
};

std::optional<double> ValueOf(const dom::element& element) {
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return {};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return {};
}

// Seconds since 1970 as milliseconds; none for what is past all calendars.
std::optional<std::int64_t> MillisOf(const dom::element& element) {
  double seconds = 0;
  constexpr double kMostSeconds = 9e12;
  if (element.get(seconds) != simdjson::SUCCESS || !(std::abs(seconds) < kMostSeconds)) return {};
  return std::llround(seconds * 1000);
}

bool ReadSample(const dom::element& element, std::vector<Sample>& samples) {
  dom::array pair;
  if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2) return false;
  const auto time = MillisOf(pair.at(0));
  const auto value = ValueOf(pair.at(1));
  if (!time || !value) return false;
  samples.push_back({*time, *value});
  return true;
}

void Tidy(std::vector<Sample>& samples) {
  std::ranges::sort(samples, {}, &Sample::time_ms);
  const auto again = std::ranges::unique(samples, {}, &Sample::time_ms);
  samples.erase(again.begin(), again.end());
}

// Ids shorter than 32 digits lack their leading zeros.
std::optional<trace::TraceId> TraceIdIn(std::string_view text) {
  constexpr std::size_t kDigits = 32;
  if (text.empty() || text.size() > kDigits) return {};
  return trace::TraceId::Parse(std::string(kDigits - text.size(), '0').append(text));
}

bool IsTraceKey(std::string_view key) {
  constexpr std::array<std::string_view, 4> kKeys = {"trace_id", "traceid", "traceID", "traceId"};
  return std::ranges::find(kKeys, key) != kKeys.end();
}
bool IsSpanKey(std::string_view key) {
  constexpr std::array<std::string_view, 4> kKeys = {"span_id", "spanid", "spanID", "spanId"};
  return std::ranges::find(kKeys, key) != kKeys.end();
}

Exemplar ExemplarOf(const dom::object& object) {
  Exemplar exemplar;
  std::vector<Label> labels;
  dom::object given;
  if (object["labels"].get(given) == simdjson::SUCCESS) {
    for (const Label& label : LabelsOf(given)) {
      if (IsTraceKey(label.name) && (exemplar.trace_id = TraceIdIn(label.value))) continue;
      if (IsSpanKey(label.name) && (exemplar.span_id = trace::SpanId::Parse(label.value))) continue;
      labels.push_back(label);
    }
  }
  exemplar.labels = Labels::From(std::move(labels));
  dom::element element;
  if (object["value"].get(element) == simdjson::SUCCESS) {
    double number = 0;
    if (element.get(number) == simdjson::SUCCESS)
      exemplar.value = number;
    else
      exemplar.value = ValueOf(element).value_or(0);
  }
  if (object["timestamp"].get(element) == simdjson::SUCCESS)
    exemplar.time_ms = MillisOf(element).value_or(0);
  return exemplar;
}

MetricType MetricTypeOf(std::string_view text) {
  constexpr std::array<std::string_view, 8> kNames = {
      "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"};
  const auto found = std::ranges::find(kNames, text);
  return found == kNames.end() ? MetricType::kUnknown
                               : static_cast<MetricType>(found - kNames.begin());
}

// Loki 3 answers plain metadata, or with `categorize-labels` an object of kinds of it.
void ReadLineMetadata(const dom::object& object, LogRecord& record) {
  std::vector<Label> labels;
  const auto add = [&](const dom::object& from) {
    for (Label label : LabelsOf(from)) {
      if (IsTraceKey(label.name)) {
        if ((record.trace_id = TraceIdIn(label.value))) continue;
      } else if (IsSpanKey(label.name)) {
        if ((record.span_id = trace::SpanId::Parse(label.value))) continue;
      }
      labels.push_back(std::move(label));
    }
  };
  add(object);
  dom::object kind;
  if (object["structuredMetadata"].get(kind) == simdjson::SUCCESS) add(kind);
  record.metadata = Labels::From(std::move(labels));
}

bool ReadLineOf(const dom::element& element, LogRecord& record) {
  dom::array entry;
  std::string_view time;
  std::string_view line;
  if (element.get(entry) != simdjson::SUCCESS || entry.size() < 2 ||
      entry.at(0).get(time) != simdjson::SUCCESS || entry.at(1).get(line) != simdjson::SUCCESS)
    return false;
  const auto [end, error] = std::from_chars(time.data(), time.data() + time.size(), record.time_ns);
  if (error != std::errc() || end != time.data() + time.size()) return false;
  record.line = line;
  dom::object metadata;
  if (entry.size() > 2 && entry.at(2).get(metadata) == simdjson::SUCCESS)
    ReadLineMetadata(metadata, record);
  return true;
}

}  // namespace

base::Result<std::vector<ReadSeries>> ParseMatrix(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::array results, answer.Results(body, "matrix", "vector"));
  std::vector<ReadSeries> all;
  for (const dom::element item : results) {
    dom::object object;
    dom::object metric;
    if (item.get(object) != simdjson::SUCCESS || object["metric"].get(metric) != simdjson::SUCCESS)
      return Fail(NotAnAnswer("a series has no \"metric\""));
    ReadSeries& series = all.emplace_back(ReadSeries{.labels = LabelsOf(metric)});
    dom::array values;
    dom::element value;
    if (object["values"].get(values) == simdjson::SUCCESS) {
      series.samples.reserve(values.size());
      for (const dom::element sample : values)
        if (!ReadSample(sample, series.samples)) return Fail(NotAnAnswer("a sample is no pair"));
    } else if (object["value"].get(value) == simdjson::SUCCESS) {
      if (!ReadSample(value, series.samples)) return Fail(NotAnAnswer("a sample is no pair"));
    }
    // A series of native histograms alone has no samples of this model.
    if (series.samples.empty())
      all.pop_back();
    else
      Tidy(series.samples);
  }
  return all;
}

base::Result<std::vector<Labels>> ParseLabelSets(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::array items, answer.Items(body));
  std::vector<Labels> sets;
  for (const dom::element item : items) {
    dom::object object;
    if (item.get(object) != simdjson::SUCCESS) return Fail(NotAnAnswer("a series is no object"));
    sets.push_back(LabelsOf(object));
  }
  return sets;
}

base::Result<std::vector<std::string>> ParseTexts(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::array items, answer.Items(body));
  std::vector<std::string> texts;
  for (const dom::element item : items) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return Fail(NotAnAnswer("a name is no text"));
    texts.emplace_back(text);
  }
  return texts;
}

base::Result<std::vector<SeriesExemplars>> ParseExemplars(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::array items, answer.Items(body));
  std::vector<SeriesExemplars> all;
  for (const dom::element item : items) {
    dom::object object;
    dom::object labels;
    dom::array exemplars;
    if (item.get(object) != simdjson::SUCCESS ||
        object["seriesLabels"].get(labels) != simdjson::SUCCESS ||
        object["exemplars"].get(exemplars) != simdjson::SUCCESS)
      return Fail(NotAnAnswer("no exemplars of a series"));
    SeriesExemplars& series =
        all.emplace_back(SeriesExemplars{.series = LabelsOf(labels), .exemplars = {}});
    for (const dom::element exemplar : exemplars) {
      dom::object one;
      if (exemplar.get(one) != simdjson::SUCCESS) return Fail(NotAnAnswer("no exemplar"));
      series.exemplars.push_back(ExemplarOf(one));
    }
    std::ranges::sort(series.exemplars, {}, &Exemplar::time_ms);
  }
  return all;
}

base::Result<std::map<std::string, std::vector<MetricMetadata>>> ParseMetadata(
    std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::element data, answer.Data(body));
  dom::object metrics;
  if (data.get(metrics) != simdjson::SUCCESS) return Fail(NotAnAnswer("\"data\" is no object"));
  std::map<std::string, std::vector<MetricMetadata>> all;
  for (const auto [name, list] : metrics) {
    dom::array entries;
    if (list.get(entries) != simdjson::SUCCESS) return Fail(NotAnAnswer("metadata is no list"));
    auto& metadata = all[std::string(name)];
    for (const dom::element entry : entries) {
      dom::object one;
      if (entry.get(one) != simdjson::SUCCESS) return Fail(NotAnAnswer("metadata is no object"));
      metadata.push_back({.type = MetricTypeOf(TextAt(one, "type")),
                          .help = std::string(TextAt(one, "help")),
                          .unit = std::string(TextAt(one, "unit"))});
    }
  }
  return all;
}

base::Result<ReadStreams> ParseStreams(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::array results, answer.Results(body, "streams", "streams"));
  ReadStreams read;
  for (const dom::element item : results) {
    dom::object object;
    dom::object labels;
    dom::array values;
    if (item.get(object) != simdjson::SUCCESS ||
        object["stream"].get(labels) != simdjson::SUCCESS ||
        object["values"].get(values) != simdjson::SUCCESS)
      return Fail(NotAnAnswer("a stream has no labels or no values"));
    read.streams.push_back(LabelsOf(labels));
    for (const dom::element value : values) {
      ReadLine& line = read.lines.emplace_back(
          ReadLine{.stream = read.streams.size() - 1, .index = read.lines.size()});
      if (!ReadLineOf(value, line.record)) return Fail(NotAnAnswer("a line has no time or text"));
    }
  }
  return read;
}

base::Result<std::vector<trace::TraceId>> ParseSearch(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::element document, answer.Whole(body));
  dom::object object;
  if (document.get(object) != simdjson::SUCCESS) return Fail(NotAnAnswer("it is no object"));
  dom::array traces;
  std::vector<trace::TraceId> ids;
  // Without matches some leave the list out.
  if (object["traces"].get(traces) != simdjson::SUCCESS) return ids;
  for (const dom::element item : traces) {
    dom::object one;
    if (item.get(one) != simdjson::SUCCESS) return Fail(NotAnAnswer("a trace is no object"));
    const auto id = TraceIdIn(TextAt(one, "traceID"));
    if (!id) return Fail(NotAnAnswer("a trace has no id"));
    ids.push_back(*id);
  }
  return ids;
}

base::Result<std::vector<std::string>> ParseTagValues(std::string_view body) {
  Answer answer;
  ASSIGN_OR_RETURN(const dom::element document, answer.Whole(body));
  dom::object object;
  if (document.get(object) != simdjson::SUCCESS) return Fail(NotAnAnswer("it is no object"));
  dom::array items;
  std::vector<std::string> values;
  if (object["tagValues"].get(items) != simdjson::SUCCESS) return values;
  for (const dom::element item : items) {
    dom::object one;
    if (item.get(one) != simdjson::SUCCESS) return Fail(NotAnAnswer("a value is no object"));
    values.emplace_back(TextAt(one, "value"));
  }
  std::ranges::sort(values);
  return values;
}

}  // namespace enclave::telemetry::remote
