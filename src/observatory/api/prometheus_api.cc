#include "prometheus_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/quote.h"
#include "front.h"
#include "observatory/promql/parser.h"
#include "prometheus_parameters.h"
#include "reply.h"

namespace enclave::observatory::api {
namespace {

using base::ErrorKind;
using telemetry::Labels;
using telemetry::Sample;

constexpr const char* kTruncated = "results truncated due to limit";
constexpr std::size_t kMostSeries = 1'000'000;

std::int64_t NowMs(const base::Clock& clock) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock.WallNow().time_since_epoch())
      .count();
}

// Cuts `list` to `limit` (0: none) and says so.
template <typename List>
void Truncate(List* list, std::size_t limit, SuccessReply* reply) {
  if (limit == 0 || list->size() <= limit) return;
  list->resize(limit);
  reply->Warn(kTruncated);
}

void WriteValue(JsonWriter* json, const promql::QueryResult& result) {
  json->BeginObject().Key("resultType").String(result.type()).Key("result");
  if (const auto* scalar = std::get_if<Sample>(&result.value)) {
    json->Point(scalar->time_ms, scalar->value);
  } else if (const auto* text = std::get_if<promql::StringValue>(&result.value)) {
    std::string time;
    AppendSeconds(&time, text->time_ms);
    json->BeginArray().Raw(time).String(text->text).EndArray();
  } else if (const auto* vector = std::get_if<promql::InstantVector>(&result.value)) {
    json->BeginArray();
    for (const promql::VectorElement& element : *vector) {
      json->BeginObject().Key("metric").LabelSet(element.labels).Key("value");
      json->Point(element.sample.time_ms, element.sample.value).EndObject();
    }
    json->EndArray();
  } else if (const auto* matrix = std::get_if<promql::RangeMatrix>(&result.value)) {
    json->BeginArray();
    for (const promql::RangeSeries& series : *matrix) {
      json->BeginObject().Key("metric").LabelSet(series.labels).Key("values").BeginArray();
      for (const Sample& sample : series.samples) json->Point(sample.time_ms, sample.value);
      json->EndArray().EndObject();
    }
    json->EndArray();
  }
  json->EndObject();
}

net::Response ResultReply(promql::QueryResult result, std::size_t limit) {
  SuccessReply reply;
  for (std::string& warning : result.warnings) reply.Warn(std::move(warning));
  for (std::string& info : result.infos) reply.Inform(std::move(info));
  if (auto* vector = std::get_if<promql::InstantVector>(&result.value))
    Truncate(vector, limit, &reply);
  if (auto* matrix = std::get_if<promql::RangeMatrix>(&result.value))
    Truncate(matrix, limit, &reply);
  WriteValue(&reply.json(), result);
  return reply.Done();
}

// What does not parse is the parameter's fault, as Prometheus words it.
net::Response QueryError(const base::Error& error) {
  if (error.kind() == ErrorKind::kInvalidArgument) return InvalidParameter("query", error);
  return PrometheusError(error);
}

// An engine of its own for a query that brings its own timeout or lookback; else null.
OrAnswer<std::optional<promql::EngineOptions>> OwnOptions(const Parameters& parameters,
                                                          const promql::EngineOptions& options) {
  std::optional<promql::EngineOptions> own;
  for (const char* name : {"timeout", "lookback_delta"}) {
    if (!parameters.Has(name)) continue;
    const auto ms = ParsePrometheusDuration(parameters.Get(name));
    if (!ms) return std::unexpected(InvalidParameter(name, ms.error()));
    if (!own) own = options;
    if (std::string_view(name) == "timeout")
      own->timeout = std::min(own->timeout, std::chrono::milliseconds(*ms));
    else if (*ms > 0)
      own->lookback_delta = std::chrono::milliseconds(*ms);
  }
  return own;
}

std::string_view TypeName(telemetry::MetricType type) {
  static constexpr std::string_view kNames[] = {"unknown",        "counter", "gauge", "histogram",
                                                "gaugehistogram", "summary", "info",  "stateset"};
  return kNames[static_cast<std::size_t>(type)];
}

void CollectSelectors(const promql::Expr& expr, std::vector<telemetry::Matchers>* found) {
  switch (expr.kind) {
    case promql::ExprKind::kVectorSelector:
      found->push_back(promql::As<promql::VectorSelector>(expr).matchers);
      return;
    case promql::ExprKind::kMatrixSelector:
      found->push_back(promql::As<promql::MatrixSelector>(expr).vector->matchers);
      return;
    case promql::ExprKind::kSubquery:
      return CollectSelectors(*promql::As<promql::Subquery>(expr).expr, found);
    case promql::ExprKind::kCall:
      for (const promql::ExprPtr& arg : promql::As<promql::Call>(expr).args)
        CollectSelectors(*arg, found);
      return;
    case promql::ExprKind::kAggregate: {
      const auto& aggregate = promql::As<promql::Aggregate>(expr);
      if (aggregate.param) CollectSelectors(*aggregate.param, found);
      return CollectSelectors(*aggregate.expr, found);
    }
    case promql::ExprKind::kBinary:
      CollectSelectors(*promql::As<promql::Binary>(expr).lhs, found);
      return CollectSelectors(*promql::As<promql::Binary>(expr).rhs, found);
    case promql::ExprKind::kUnary:
      return CollectSelectors(*promql::As<promql::Unary>(expr).expr, found);
    case promql::ExprKind::kParen:
      return CollectSelectors(*promql::As<promql::Paren>(expr).expr, found);
    case promql::ExprKind::kNumber:
    case promql::ExprKind::kString:
      break;
  }
}

}  // namespace

void PrometheusApi::AddRoutes(RouteTable* routes) {
  using Method = net::Response (PrometheusApi::*)(const Call&);
  const auto bind = [this](Method method) {
    return [this, method](const Call& call) { return (this->*method)(call); };
  };
  routes->GetOrForm("/api/v1/query", bind(&PrometheusApi::Query));
  routes->GetOrForm("/api/v1/query_range", bind(&PrometheusApi::QueryRange));
  routes->GetOrForm("/api/v1/series", bind(&PrometheusApi::Series));
  routes->GetOrForm("/api/v1/labels", bind(&PrometheusApi::LabelNames));
  routes->Get("/api/v1/label/{}/values", bind(&PrometheusApi::LabelValues));
  routes->GetOrForm("/api/v1/query_exemplars", bind(&PrometheusApi::Exemplars));
  routes->Get("/api/v1/metadata", bind(&PrometheusApi::Metadata));
  routes->GetOrForm("/api/v1/format_query", bind(&PrometheusApi::FormatQuery));
  routes->GetOrForm("/api/v1/parse_query", bind(&PrometheusApi::ParseQuery));
  routes->Get("/federate", bind(&PrometheusApi::Federate));
}

net::Response PrometheusApi::Query(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  auto limit = LimitParameter(parameters);
  if (!limit) return std::move(limit).error();
  auto time = TimeParameter(parameters, "time", NowMs(clock_));
  if (!time) return std::move(time).error();
  auto own = OwnOptions(parameters, engine_.options());
  if (!own) return std::move(own).error();
  const std::string query = parameters.Get("query");
  auto result = *own ? promql::Engine(metrics_, **own, clock_).Instant(query, *time, call.stop)
                     : engine_.Instant(query, *time, call.stop);
  if (!result) return QueryError(result.error());
  return ResultReply(std::move(*result), *limit);
}

net::Response PrometheusApi::QueryRange(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  auto limit = LimitParameter(parameters);
  if (!limit) return std::move(limit).error();
  for (const char* name : {"start", "end", "step"})
    if (!parameters.Has(name))
      return InvalidParameter(
          name, {ErrorKind::kInvalidArgument,
                 std::string_view(name) == "step"
                     ? "cannot parse \"\" to a valid duration"
                     : fmt::format("invalid time value for '{}': cannot parse \"\" to a valid "
                                   "timestamp",
                                   name)});
  auto start = TimeParameter(parameters, "start", 0);
  if (!start) return std::move(start).error();
  auto end = TimeParameter(parameters, "end", 0);
  if (!end) return std::move(end).error();
  if (*end < *start)
    return InvalidParameter(
        "end", {ErrorKind::kInvalidArgument, "end timestamp must not be before start time"});
  const auto step = ParsePrometheusDuration(parameters.Get("step"));
  if (!step) return InvalidParameter("step", step.error());
  if (*step <= 0)
    return InvalidParameter("step", {ErrorKind::kInvalidArgument,
                                     "zero or negative query resolution step widths are not "
                                     "accepted. Try a positive integer"});
  // Answers stay readable, and a mistyped step does not ask for a million points.
  constexpr std::int64_t kMostPoints = 11'000;
  if ((*end - *start) / *step > kMostPoints)
    return BadData(
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
        "resolution (?step=XX)");
  auto own = OwnOptions(parameters, engine_.options());
  if (!own) return std::move(own).error();
  const std::string query = parameters.Get("query");
  auto result =
      *own ? promql::Engine(metrics_, **own, clock_).Range(query, *start, *end, *step, call.stop)
           : engine_.Range(query, *start, *end, *step, call.stop);
  if (!result) return QueryError(result.error());
  return ResultReply(std::move(*result), *limit);
}

net::Response PrometheusApi::Series(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  if (parameters.All("match[]").empty()) return BadData("no match[] parameter provided");
  auto limit = LimitParameter(parameters);
  if (!limit) return std::move(limit).error();
  auto range = RangeParameter(parameters);
  if (!range) return std::move(range).error();
  auto matchers = MatchParameter(parameters);
  if (!matchers) return std::move(matchers).error();
  // One more than is shown tells whether there are more.
  auto series = metrics_.Series(*matchers, *range,
                                *limit == 0 ? kMostSeries : std::min(*limit, kMostSeries) + 1);
  if (!series) return PrometheusError(series.error());
  std::ranges::sort(*series);
  SuccessReply reply;
  Truncate(&*series, *limit, &reply);
  reply.json().BeginArray();
  for (const Labels& labels : *series) reply.json().LabelSet(labels);
  reply.json().EndArray();
  return reply.Done();
}

net::Response PrometheusApi::LabelNames(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  auto limit = LimitParameter(parameters);
  if (!limit) return std::move(limit).error();
  auto range = RangeParameter(parameters);
  if (!range) return std::move(range).error();
  auto matchers = MatchParameter(parameters);
  if (!matchers) return std::move(matchers).error();
  auto names = metrics_.LabelNames(*matchers, *range);
  if (!names) return PrometheusError(names.error());
  std::ranges::sort(*names);
  SuccessReply reply;
  Truncate(&*names, *limit, &reply);
  reply.json().BeginArray();
  for (const std::string& name : *names) reply.json().String(name);
  reply.json().EndArray();
  return reply.Done();
}

net::Response PrometheusApi::LabelValues(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const std::string name = UnescapeLabelName(call.captures[0]);
  auto limit = LimitParameter(parameters);
  if (!limit) return std::move(limit).error();
  auto range = RangeParameter(parameters);
  if (!range) return std::move(range).error();
  auto matchers = MatchParameter(parameters);
  if (!matchers) return std::move(matchers).error();
  auto values = metrics_.LabelValues(name, *matchers, *range);
  if (!values) return PrometheusError(values.error());
  std::ranges::sort(*values);
  SuccessReply reply;
  Truncate(&*values, *limit, &reply);
  reply.json().BeginArray();
  for (const std::string& value : *values) reply.json().String(value);
  reply.json().EndArray();
  return reply.Done();
}

net::Response PrometheusApi::Exemplars(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  auto range = RangeParameter(parameters);
  if (!range) return std::move(range).error();
  if (range->to < range->from) return BadData("end timestamp must not be before start timestamp");
  const auto expr = promql::Parse(parameters.Get("query"));
  if (!expr) return PrometheusError(expr.error());
  std::vector<telemetry::Matchers> selectors;
  CollectSelectors(**expr, &selectors);
  std::vector<telemetry::SeriesExemplars> found;
  if (!selectors.empty()) {
    auto exemplars = metrics_.Exemplars(selectors, *range);
    if (!exemplars) return PrometheusError(exemplars.error());
    found = std::move(*exemplars);
    std::ranges::sort(found, {}, &telemetry::SeriesExemplars::series);
  }
  SuccessReply reply;
  JsonWriter& json = reply.json();
  json.BeginArray();
  for (const telemetry::SeriesExemplars& series : found) {
    json.BeginObject().Key("seriesLabels").LabelSet(series.series).Key("exemplars").BeginArray();
    for (const telemetry::Exemplar& exemplar : series.exemplars) {
      Labels labels = exemplar.labels;
      if (exemplar.trace_id) labels.Set("trace_id", exemplar.trace_id->ToString());
      if (exemplar.span_id) labels.Set("span_id", exemplar.span_id->ToString());
      std::string text;
      json.BeginObject().Key("labels").LabelSet(labels);
      AppendSampleValue(&text, exemplar.value);
      json.Key("value").String(text);
      text.clear();
      AppendSeconds(&text, exemplar.time_ms);
      json.Key("timestamp").Raw(text).EndObject();
    }
    json.EndArray().EndObject();
  }
  json.EndArray();
  return reply.Done();
}

net::Response PrometheusApi::Metadata(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  const auto limit = ParseLimit(parameters.Get("limit"));
  if (!limit) return BadData("limit must be a number");
  const auto per_metric = ParseLimit(parameters.Get("limit_per_metric"));
  if (!per_metric) return BadData("limit_per_metric must be a number");
  auto all = metrics_.Metadata(parameters.Get("metric"), limit->value_or(kMostSeries));
  if (!all) return PrometheusError(all.error());
  SuccessReply reply;
  JsonWriter& json = reply.json();
  json.BeginObject();
  for (const auto& [name, entries] : *all) {
    json.Key(name).BeginArray();
    const std::size_t most = per_metric->value_or(0);
    for (std::size_t i = 0; i < entries.size() && (most == 0 || i < most); ++i)
      json.BeginObject()
          .Key("type")
          .String(TypeName(entries[i].type))
          .Key("help")
          .String(entries[i].help)
          .Key("unit")
          .String(entries[i].unit)
          .EndObject();
    json.EndArray();
  }
  json.EndObject();
  return reply.Done();
}

net::Response PrometheusApi::FormatQuery(const Call& call) {
  const auto expr = promql::Parse(Parameters::Of(call.request).Get("query"));
  if (!expr) return QueryError(expr.error());
  SuccessReply reply;
  reply.json().String(promql::PrintPretty(**expr));
  return reply.Done();
}

net::Response PrometheusApi::ParseQuery(const Call& call) {
  const auto expr = promql::Parse(Parameters::Of(call.request).Get("query"));
  if (!expr) return QueryError(expr.error());
  SuccessReply reply;
  WriteSyntaxTree(&reply.json(), **expr);
  return reply.Done();
}

net::Response PrometheusApi::Federate(const Call& call) {
  const Parameters parameters = Parameters::Of(call.request);
  if (parameters.All("match[]").empty()) return PlainText(400, "no match[] parameter provided\n");
  auto matchers = MatchParameter(parameters);
  if (!matchers) return std::move(matchers).error();
  const std::int64_t now = NowMs(clock_);
  std::vector<std::pair<Labels, Sample>> last;
  std::vector<Sample> samples;
  for (const telemetry::Matchers& selector : *matchers) {
    const auto set =
        metrics_.Select(selector, {now - engine_.options().lookback_delta.count() + 1, now});
    if (!set) return PlainText(HttpStatus(set.error().kind()), set.error().message() + "\n");
    for (std::size_t i = 0; i < (*set)->size(); ++i) {
      if (call.stop.stop_requested()) return PlainText(499, "the client has gone\n");
      const auto read = (*set)->Read(i, samples);
      if (!read) return PlainText(HttpStatus(read.error().kind()), read.error().message() + "\n");
      if (samples.empty() || telemetry::IsStale(samples.back().value)) continue;
      last.emplace_back((*set)->labels(i), samples.back());
    }
  }
  std::ranges::sort(last, {}, &std::pair<Labels, Sample>::first);
  const auto [first, end] = std::ranges::unique(last, {}, &std::pair<Labels, Sample>::first);
  last.erase(first, end);
  std::string page;
  std::string_view name;
  for (const auto& [labels, sample] : last) {
    if (labels.Get(telemetry::kMetricName) != name) {
      name = labels.Get(telemetry::kMetricName);
      page += fmt::format("# TYPE {} untyped\n", name);
    }
    AppendExposition(&page, labels, sample);
  }
  net::Response response = PlainText(200, std::move(page));
  response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

void AppendExposition(std::string* out, const Labels& labels, const Sample& sample) {
  out->append(labels.Get(telemetry::kMetricName));
  char separator = '{';
  for (const telemetry::Label& label : labels) {
    if (label.name == telemetry::kMetricName) continue;
    out->push_back(separator);
    separator = ',';
    out->append(label.name).append("=\"");
    for (const char c : label.value) {
      if (c == '\n') {
        out->append("\\n");
        continue;
      }
      if (c == '"' || c == '\\') out->push_back('\\');
      out->push_back(c);
    }
    out->push_back('"');
  }
  if (separator == ',') out->push_back('}');
  out->push_back(' ');
  AppendSampleValue(out, sample.value);
  out->push_back(' ');
  AppendInteger(out, sample.time_ms);
  out->push_back('\n');
}

}  // namespace enclave::observatory::api
