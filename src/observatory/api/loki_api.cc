#include "loki_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/quote.h"
#include "front.h"
#include "json_writer.h"
#include "loki_reply.h"
#include "observatory/logql/parser.h"
#include "reply.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using base::Fail;
using telemetry::Labels;
using telemetry::LogRecord;
using telemetry::Matchers;

constexpr std::int64_t kSixHoursNs = 6 * 3600'000'000'000LL;
constexpr std::size_t kMostStreams = 10'000;
// Records counted for the statistics that editors show while a query is written.
constexpr std::size_t kMostCounted = 2'000'000;

net::Response TextList(const auto& texts) {
  SuccessReply reply;
  reply.json().BeginArray();
  for (const std::string& text : texts) reply.json().String(text);
  reply.json().EndArray();
  return reply.Done();
}

// "" and "{}" are everything, which label calls may ask for.
base::Result<std::optional<Matchers>> OptionalSelector(const std::string& text) {
  if (text.empty() || text == "{}") return std::nullopt;
  ASSIGN_OR_RETURN(logql::Query query, logql::Parse(text));
  auto* selector = std::get_if<logql::LogSelector>(&query);
  if (selector == nullptr)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{} is a query of numbers; only a selector of streams is meant here",
                            base::Quote(text)));
  return std::move(selector->matchers);
}

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> items;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

}  // namespace

struct LokiApi::Volume {
  struct OfStream {
    std::size_t entries = 0;
    std::size_t bytes = 0;
  };
  Matchers matchers;
  std::map<Labels, OfStream> streams;
  telemetry::TimeRangeNs range{};
};

net::Response LokiError(const base::Error& error) {
  // Loki answers a query that takes too long with 504, and a limit that was met with 429.
  return PlainText(HttpStatus(error.kind()), error.message() + "\n");
}

void LokiApi::AddRoutes(RouteTable* routes) {
  using Method = net::Response (LokiApi::*)(const Call&);
  const auto bind = [this](Method method) {
    return [this, method](const Call& call) { return (this->*method)(call); };
  };
  routes->GetOrForm("/loki/api/v1/query", [this](const Call& call) { return Query(call, false); });
  routes->GetOrForm("/loki/api/v1/query_range",
                    [this](const Call& call) { return Query(call, true); });
  routes->GetOrForm("/loki/api/v1/labels", bind(&LokiApi::LabelNames));
  routes->GetOrForm("/loki/api/v1/label", bind(&LokiApi::LabelNames));
  routes->GetOrForm("/loki/api/v1/label/{}/values", bind(&LokiApi::LabelValues));
  routes->GetOrForm("/loki/api/v1/series", bind(&LokiApi::Series));
  routes->GetOrForm("/loki/api/v1/index/stats", bind(&LokiApi::IndexStats));
  routes->GetOrForm("/loki/api/v1/index/volume", bind(&LokiApi::IndexVolume));
  for (const auto& [path, what] :
       {std::pair{"tail", "tail: ask query_range again with a later start"},
        std::pair{"patterns", "patterns"},
        std::pair{"index/volume_range", "index/volume_range: index/volume is"},
        std::pair{"detected_fields", "detected_fields"},
        std::pair{"detected_labels", "detected_labels"},
        std::pair{"rules", "Loki's rules: rules are in PromQL"},
        std::pair{"delete", "delete: retention drops what is old"}})
    routes->GetOrForm(std::string("/loki/api/v1/") + path, [what](const Call&) {
      return PlainText(501, fmt::format("not supported: {}\n", what));
    });
}

base::Result<telemetry::TimeRangeNs> LokiApi::RangeOf(const Parameters& parameters,
                                                      std::int64_t span_ns) const {
  telemetry::TimeRangeNs range{0, clock_.WallNow().time_since_epoch().count() + 1};
  if (parameters.Has("end")) {
    ASSIGN_OR_RETURN(range.to, ParseLokiTime(parameters.Get("end")));
  }
  if (parameters.Has("since")) {
    ASSIGN_OR_RETURN(span_ns, ParseGoDuration(parameters.Get("since")));
  }
  if (__builtin_sub_overflow(range.to, span_ns, &range.from)) range.from = 0;
  if (parameters.Has("start")) {
    ASSIGN_OR_RETURN(range.from, ParseLokiTime(parameters.Get("start")));
  }
  if (range.to < range.from)
    return Fail(ErrorKind::kInvalidArgument, "end timestamp must not be before start time");
  return range;
}

net::Response LokiApi::LabelNames(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const auto range = RangeOf(parameters, kSixHoursNs);
  if (!range) return LokiError(range.error());
  const auto selector = OptionalSelector(parameters.Get("query"));
  if (!selector) return LokiError(selector.error());
  if (!*selector) {
    auto names = logs_.StreamLabelNames(*range);
    if (!names) return LokiError(names.error());
    std::ranges::sort(*names);
    return TextList(*names);
  }
  const auto streams = logs_.Streams({**selector}, *range, kMostStreams);
  if (!streams) return LokiError(streams.error());
  std::set<std::string> names;
  for (const Labels& labels : *streams)
    for (const telemetry::Label& label : labels) names.insert(label.name);
  return TextList(names);
}

net::Response LokiApi::LabelValues(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const std::string& name = call.captures[0];
  const auto range = RangeOf(parameters, kSixHoursNs);
  if (!range) return LokiError(range.error());
  const auto selector = OptionalSelector(parameters.Get("query"));
  if (!selector) return LokiError(selector.error());
  if (!*selector) {
    auto values = logs_.StreamLabelValues(name, *range);
    if (!values) return LokiError(values.error());
    std::ranges::sort(*values);
    return TextList(*values);
  }
  const auto streams = logs_.Streams({**selector}, *range, kMostStreams);
  if (!streams) return LokiError(streams.error());
  std::set<std::string> values;
  for (const Labels& labels : *streams)
    if (labels.Has(name)) values.emplace(labels.Get(name));
  return TextList(values);
}

net::Response LokiApi::Series(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const auto range = RangeOf(parameters, kSixHoursNs);
  if (!range) return LokiError(range.error());
  std::vector<std::string> texts = parameters.All("match[]");
  for (std::string& text : parameters.All("match")) texts.push_back(std::move(text));
  std::vector<Matchers> any_of;
  for (const std::string& text : texts) {
    auto selector = OptionalSelector(text);
    if (!selector) return LokiError(selector.error());
    if (*selector)
      any_of.push_back(std::move(**selector));
    else
      any_of.emplace_back();  // matches everything
  }
  auto streams = logs_.Streams(any_of, *range, kMostStreams);
  if (!streams) return LokiError(streams.error());
  std::ranges::sort(*streams);
  SuccessReply reply;
  reply.json().BeginArray();
  for (const Labels& labels : *streams) reply.json().LabelSet(labels);
  reply.json().EndArray();
  return reply.Done();
}

base::Result<LokiApi::Volume> LokiApi::Count(const Call& call, const Parameters& parameters) const {
  Volume volume;
  ASSIGN_OR_RETURN(volume.range, RangeOf(parameters, kSixHoursNs));
  ASSIGN_OR_RETURN(auto selector, OptionalSelector(parameters.Get("query")));
  if (selector) volume.matchers = std::move(*selector);
  std::size_t counted = 0;
  RETURN_IF_ERROR(logs_.Query({.matchers = volume.matchers, .range = volume.range},
                              [&](const Labels& stream, const LogRecord& record) {
                                Volume::OfStream& of_stream = volume.streams[stream];
                                ++of_stream.entries;
                                of_stream.bytes += record.line.size();
                                return ++counted < kMostCounted && !call.stop.stop_requested();
                              }));
  return volume;
}

net::Response LokiApi::IndexStats(const Call& call) {
  const auto volume = Count(call, Parameters::Of(call.request));
  if (!volume) return LokiError(volume.error());
  std::size_t entries = 0;
  std::size_t bytes = 0;
  for (const auto& [labels, of_stream] : volume->streams) {
    entries += of_stream.entries;
    bytes += of_stream.bytes;
  }
  const auto streams = static_cast<std::int64_t>(volume->streams.size());
  std::string body;
  JsonWriter json(&body);
  json.BeginObject().Key("streams").Integer(streams).Key("chunks").Integer(streams);
  json.Key("entries").Integer(static_cast<std::int64_t>(entries));
  json.Key("bytes").Integer(static_cast<std::int64_t>(bytes)).EndObject();
  return JsonReply(200, std::move(body));
}

net::Response LokiApi::IndexVolume(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const auto limit = ParseLimit(parameters.Get("limit"));
  if (!limit) return LokiError(limit.error());
  const auto volume = Count(call, parameters);
  if (!volume) return LokiError(volume.error());
  // By the labels that are asked for, or those of the selector.
  std::vector<std::string> names = SplitList(parameters.Get("targetLabels"));
  if (names.empty())
    for (const telemetry::Matcher& matcher : volume->matchers) names.push_back(matcher.name());
  std::ranges::sort(names);
  const bool by_label = parameters.Get("aggregateBy") == "labels";
  std::map<Labels, std::size_t> bytes;
  for (const auto& [labels, of_stream] : volume->streams) {
    if (by_label) {
      for (const telemetry::Label& label : labels)
        bytes[Labels{{label.name, label.name}}] += of_stream.bytes;
    } else {
      bytes[names.empty() ? labels : labels.Keep(names)] += of_stream.bytes;
    }
  }
  std::vector<std::pair<Labels, std::size_t>> sorted(bytes.begin(), bytes.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  sorted.resize(std::min(sorted.size(), limit->value_or(100)));
  std::string time;
  AppendSeconds(&time, volume->range.to / 1'000'000);
  SuccessReply reply;
  JsonWriter& json = reply.json();
  json.BeginObject().Key("resultType").String("vector").Key("result").BeginArray();
  for (const auto& [labels, size] : sorted) {
    json.BeginObject().Key("metric").LabelSet(labels);
    json.Key("value").BeginArray().Raw(time).String(fmt::format_int(size).str());
    json.EndArray().EndObject();
  }
  json.EndArray().EndObject();
  return reply.Done();
}

}  // namespace enclave::observatory::api
