#include <algorithm>
#include <utility>

#include "telemetry/remote/answers.h"
#include "telemetry/remote/query_client.h"
#include "telemetry/remote/remote.h"
#include "telemetry/remote/selector.h"

namespace enclave::telemetry::remote {
namespace {

using base::ErrorKind;
using base::Fail;
using Parameters = std::vector<std::pair<std::string, std::string>>;

class FetchedSeries final : public SeriesSet {
 public:
  explicit FetchedSeries(std::vector<ReadSeries> series) : series_(std::move(series)) {}
  std::size_t size() const override { return series_.size(); }
  const Labels& labels(std::size_t index) const override { return series_.at(index).labels; }
  base::Result<> Read(std::size_t index, std::vector<Sample>& samples) override {
    samples = series_.at(index).samples;
    return {};
  }

 private:
  std::vector<ReadSeries> series_;
};

class PrometheusClient final : public MetricSource {
 public:
  explicit PrometheusClient(std::unique_ptr<QueryClient> client) : client_(std::move(client)) {}

  base::Result<std::unique_ptr<SeriesSet>> Select(const Matchers& matchers,
                                                  TimeRangeMs range) override {
    if (range.to < range.from)
      return Fail(ErrorKind::kInvalidArgument, "the end of the range lies before its start");
    Matchers asked = matchers;
    if (!SelectsSomething(asked)) asked.push_back(Any());
    // Ranges are open on the left since Prometheus 3, so one millisecond more is asked for.
    const std::string query = fmt::format("{}[{}ms]", Selector(asked), range.to - range.from + 1);
    ASSIGN_OR_RETURN(std::vector<ReadSeries> series,
                     Ask("query", {{"query", query}, {"time", Seconds(range.to)}}, ParseMatrix));
    for (ReadSeries& one : series)
      std::erase_if(one.samples, [&](const Sample& s) { return s.time_ms < range.from; });
    std::erase_if(series, [](const ReadSeries& one) { return one.samples.empty(); });
    return std::make_unique<FetchedSeries>(std::move(series));
  }

  base::Result<std::vector<Labels>> Series(const std::vector<Matchers>& any_of, TimeRangeMs range,
                                           std::size_t limit) override {
    Parameters parameters = Range(range);
    parameters.emplace_back("limit", std::to_string(limit));
    if (any_of.empty()) parameters.emplace_back("match[]", Selector({Any()}));
    AddMatches(any_of, parameters);
    ASSIGN_OR_RETURN(std::vector<Labels> series, Ask("series", parameters, ParseLabelSets));
    if (series.size() > limit) series.resize(limit);
    return series;
  }

  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matchers>& any_of,
                                                    TimeRangeMs range) override {
    Parameters parameters = Range(range);
    AddMatches(any_of, parameters);
    return Ask("labels", parameters, ParseTexts);
  }

  base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                     const std::vector<Matchers>& any_of,
                                                     TimeRangeMs range) override {
    Parameters parameters = Range(range);
    AddMatches(any_of, parameters);
    // Asked by GET: the name stands in the path.
    return Parsed(client_->Get(fmt::format("/api/v1/label/{}/values?{}", net::PercentEncode(name),
                                           QueryString(parameters))),
                  ParseTexts);
  }

  base::Result<std::vector<SeriesExemplars>> Exemplars(const std::vector<Matchers>& any_of,
                                                       TimeRangeMs range) override {
    std::vector<SeriesExemplars> all;
    for (const Matchers& matchers : any_of) {
      Parameters parameters = Range(range);
      parameters.emplace_back("query", Selector(matchers));
      ASSIGN_OR_RETURN(std::vector<SeriesExemplars> found,
                       Ask("query_exemplars", parameters, ParseExemplars));
      for (SeriesExemplars& series : found)
        if (std::ranges::find(all, series.series, &SeriesExemplars::series) == all.end())
          all.push_back(std::move(series));
    }
    return all;
  }

  base::Result<std::vector<SeriesExemplars>> ExemplarsOf(trace::TraceId) override {
    return Fail(ErrorKind::kMethodNotAllowed,
                fmt::format("{}: Prometheus finds no exemplars by trace", client_->url()));
  }

  base::Result<std::map<std::string, std::vector<MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) override {
    Parameters parameters{{"limit", std::to_string(limit)}};
    if (!metric.empty()) parameters.emplace_back("metric", metric);
    return Parsed(client_->Get("/api/v1/metadata?" + QueryString(parameters)), ParseMetadata);
  }

 private:
  static Matcher Any() {
    return *Matcher::Create(MatchOp::kNotEqual, std::string(kMetricName), "");
  }
  static Parameters Range(TimeRangeMs range) {
    return {{"start", Seconds(range.from)}, {"end", Seconds(range.to)}};
  }
  static void AddMatches(const std::vector<Matchers>& any_of, Parameters& parameters) {
    for (const Matchers& matchers : any_of) parameters.emplace_back("match[]", Selector(matchers));
  }
  template <typename T>
  base::Result<T> Parsed(base::Result<std::string> body,
                         base::Result<T> (*parse)(std::string_view)) const {
    if (!body) return Fail(std::move(body).error());
    auto parsed = parse(*body);
    if (!parsed) return Fail(parsed.error().While(client_->url()));
    return parsed;
  }
  template <typename T>
  base::Result<T> Ask(const std::string& what, const Parameters& parameters,
                      base::Result<T> (*parse)(std::string_view)) const {
    return Parsed(client_->PostForm("/api/v1/" + what, QueryString(parameters)), parse);
  }

  const std::unique_ptr<QueryClient> client_;
};

}  // namespace

base::Result<std::unique_ptr<MetricSource>> ConnectPrometheus(net::EventLoop& loop,
                                                              Endpoint endpoint) {
  constexpr std::size_t kConnections = 2;
  ASSIGN_OR_RETURN(auto client, QueryClient::Create(loop, std::move(endpoint), kConnections));
  return std::make_unique<PrometheusClient>(std::move(client));
}

}  // namespace enclave::telemetry::remote
