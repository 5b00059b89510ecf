// Metrics over Prometheus' HTTP API: of Prometheus, Mimir, Thanos, VictoriaMetrics, and of the
// observatory.
//
// A series set holds the samples of its range: one question for all of it. Staleness markers do not
// come out of the API.
//
// Thread safety: any thread but the loop's. Source:
// https://prometheus.io/docs/prometheus/latest/querying/api/
#pragma once

#include "cli/telemetry_http.h"
#include "telemetry/source.h"

namespace enclave::cli {

class PrometheusClient final : public telemetry::MetricSource {
 public:
  static base::Result<std::unique_ptr<telemetry::MetricSource>> Create(net::EventLoop& loop,
                                                                       const std::string& url);

  base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(const telemetry::Matchers& matchers,
                                                             telemetry::TimeRangeMs range) override;
  base::Result<std::vector<telemetry::Labels>> Series(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs range,
      std::size_t limit) override;
  base::Result<std::vector<std::string>> LabelNames(const std::vector<telemetry::Matchers>& any_of,
                                                    telemetry::TimeRangeMs range) override;
  base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                     const std::vector<telemetry::Matchers>& any_of,
                                                     telemetry::TimeRangeMs range) override;
  base::Result<std::vector<telemetry::SeriesExemplars>> Exemplars(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs range) override;
  // kUnprocessable: the API has no such question.
  base::Result<std::vector<telemetry::SeriesExemplars>> ExemplarsOf(
      trace::TraceId trace_id) override;
  base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) override;

 private:
  explicit PrometheusClient(std::unique_ptr<TelemetryHttp> http) : http_(std::move(http)) {}
  const std::unique_ptr<TelemetryHttp> http_;
};

// From the "data" of an answer to a query; what is not a matrix has no series.
std::unique_ptr<telemetry::SeriesSet> MatrixOf(const kube::Json& data);

}  // namespace enclave::cli
