#include "cli/prometheus_client.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace enclave::cli {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::Json;
using kube::StringAt;
using telemetry::Labels;
using telemetry::Matchers;
using telemetry::TimeRangeMs;

namespace {

std::string Seconds(std::int64_t ms) {
  return fmt::format("{}.{:03}", ms / 1000, ms % 1000);
}

TelemetryHttp::Parameters Range(const std::vector<Matchers>& any_of, TimeRangeMs range) {
  TelemetryHttp::Parameters parameters = {{"start", Seconds(std::max<std::int64_t>(0, range.from))},
                                          {"end", Seconds(std::max<std::int64_t>(0, range.to))}};
  for (const Matchers& matchers : any_of)
    parameters.emplace_back("match[]", SelectorOf(matchers, "__name__"));
  return parameters;
}

Result<std::vector<std::string>> Names(Result<Json> answer) {
  if (!answer) return Fail(std::move(answer).error());
  std::vector<std::string> names;
  for (const Json& one : At(*answer, "data"))
    if (one.is_string()) names.push_back(one.get<std::string>());
  return names;
}

// [1700000000.123, "4.5"]
std::optional<telemetry::Sample> SampleOf(const Json& pair) {
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_string())
    return std::nullopt;
  const auto& text = pair[1].get_ref<const std::string&>();
  return telemetry::Sample{.time_ms = std::llround(pair[0].get<double>() * 1000),
                           .value = std::strtod(text.c_str(), nullptr)};
}

class MatrixSet final : public telemetry::SeriesSet {
 public:
  void Add(Labels labels, std::vector<telemetry::Sample> samples) {
    series_.emplace_back(std::move(labels), std::move(samples));
  }
  std::size_t size() const override { return series_.size(); }
  const Labels& labels(std::size_t index) const override { return series_[index].first; }
  Result<> Read(std::size_t index, std::vector<telemetry::Sample>& samples) override {
    samples = series_[index].second;
    return {};
  }

 private:
  std::vector<std::pair<Labels, std::vector<telemetry::Sample>>> series_;
};

telemetry::MetricType TypeOf(const std::string& name) {
  using telemetry::MetricType;
  if (name == "counter") return MetricType::kCounter;
  if (name == "gauge") return MetricType::kGauge;
  if (name == "histogram") return MetricType::kHistogram;
  if (name == "gaugehistogram") return MetricType::kGaugeHistogram;
  if (name == "summary") return MetricType::kSummary;
  if (name == "info") return MetricType::kInfo;
  if (name == "stateset") return MetricType::kStateSet;
  return MetricType::kUnknown;
}

}  // namespace

std::unique_ptr<telemetry::SeriesSet> MatrixOf(const Json& data) {
  auto set = std::make_unique<MatrixSet>();
  if (StringAt(data, "resultType") != "matrix") return set;
  for (const Json& series : At(data, "result")) {
    std::vector<telemetry::Sample> samples;
    for (const Json& pair : At(series, "values"))
      if (const auto sample = SampleOf(pair);
          sample && (samples.empty() || samples.back().time_ms < sample->time_ms))
        samples.push_back(*sample);
    if (!samples.empty()) set->Add(LabelsOf(At(series, "metric")), std::move(samples));
  }
  return set;
}

Result<std::unique_ptr<telemetry::MetricSource>> PrometheusClient::Create(net::EventLoop& loop,
                                                                          const std::string& url) {
  ASSIGN_OR_RETURN(auto http, TelemetryHttp::Create(loop, url));
  return std::unique_ptr<telemetry::MetricSource>(new PrometheusClient(std::move(http)));
}

Result<std::unique_ptr<telemetry::SeriesSet>> PrometheusClient::Select(const Matchers& matchers,
                                                                       TimeRangeMs range) {
  // A range selector leaves out what lies exactly at its beginning.
  const std::int64_t length_ms = std::max<std::int64_t>(1, range.to - range.from + 1);
  ASSIGN_OR_RETURN(
      const Json answer,
      http_->PostForm(
          "/api/v1/query",
          {{"query", fmt::format("{}[{}ms]", SelectorOf(matchers, "__name__"), length_ms)},
           {"time", Seconds(range.to)}}));
  return MatrixOf(At(answer, "data"));
}

Result<std::vector<Labels>> PrometheusClient::Series(const std::vector<Matchers>& any_of,
                                                     TimeRangeMs range, std::size_t limit) {
  TelemetryHttp::Parameters parameters = Range(any_of, range);
  if (any_of.empty()) parameters.emplace_back("match[]", SelectorOf({}, "__name__"));
  parameters.emplace_back("limit", std::to_string(limit));
  ASSIGN_OR_RETURN(const Json answer, http_->GetJson("/api/v1/series", parameters));
  std::vector<Labels> series;
  for (const Json& one : At(answer, "data"))
    if (series.size() < limit) series.push_back(LabelsOf(one));
  return series;
}

Result<std::vector<std::string>> PrometheusClient::LabelNames(const std::vector<Matchers>& any_of,
                                                              TimeRangeMs range) {
  return Names(http_->GetJson("/api/v1/labels", Range(any_of, range)));
}

Result<std::vector<std::string>> PrometheusClient::LabelValues(const std::string& name,
                                                               const std::vector<Matchers>& any_of,
                                                               TimeRangeMs range) {
  return Names(http_->GetJson(fmt::format("/api/v1/label/{}/values", net::PercentEncode(name)),
                              Range(any_of, range)));
}

Result<std::vector<telemetry::SeriesExemplars>> PrometheusClient::Exemplars(
    const std::vector<Matchers>& any_of, TimeRangeMs range) {
  std::vector<telemetry::SeriesExemplars> all;
  for (const Matchers& matchers : any_of) {
    TelemetryHttp::Parameters parameters = Range({}, range);
    parameters.emplace_back("query", SelectorOf(matchers, "__name__"));
    ASSIGN_OR_RETURN(const Json answer, http_->GetJson("/api/v1/query_exemplars", parameters));
    for (const Json& one : At(answer, "data")) {
      telemetry::SeriesExemplars series{.series = LabelsOf(At(one, "seriesLabels")),
                                        .exemplars = {}};
      for (const Json& given : At(one, "exemplars")) {
        telemetry::Exemplar exemplar{
            .labels = LabelsOf(At(given, "labels")),
            .value = std::strtod(StringAt(given, "value").c_str(), nullptr)};
        if (At(given, "timestamp").is_number())
          exemplar.time_ms = std::llround(At(given, "timestamp").get<double>() * 1000);
        exemplar.trace_id = trace::TraceId::Parse(exemplar.labels.Get("trace_id"));
        exemplar.span_id = trace::SpanId::Parse(exemplar.labels.Get("span_id"));
        if (exemplar.trace_id) exemplar.labels.Remove("trace_id");
        if (exemplar.span_id) exemplar.labels.Remove("span_id");
        series.exemplars.push_back(std::move(exemplar));
      }
      all.push_back(std::move(series));
    }
  }
  return all;
}

Result<std::vector<telemetry::SeriesExemplars>> PrometheusClient::ExemplarsOf(trace::TraceId) {
  return Fail(ErrorKind::kUnprocessable,
              "Prometheus' API finds exemplars by series and time, not by trace");
}

Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> PrometheusClient::Metadata(
    const std::string& metric, std::size_t limit) {
  TelemetryHttp::Parameters parameters = {{"limit", std::to_string(limit)}};
  if (!metric.empty()) parameters.emplace_back("metric", metric);
  ASSIGN_OR_RETURN(const Json answer, http_->GetJson("/api/v1/metadata", parameters));
  std::map<std::string, std::vector<telemetry::MetricMetadata>> all;
  const Json& data = At(answer, "data");
  if (data.is_object())
    for (const auto& [name, list] : data.items())
      for (const Json& one : list)
        all[name].push_back({.type = TypeOf(StringAt(one, "type")),
                             .help = StringAt(one, "help"),
                             .unit = StringAt(one, "unit")});
  return all;
}

}  // namespace enclave::cli
