// Logs over Loki's HTTP API: of Loki and of the observatory.
//
// Lines come in pages by time; structured metadata stands among a stream's labels, as Loki gives it
// out, but for trace_id and span_id.
//
// Thread safety: any thread but the loop's. Source:
// https://grafana.com/docs/loki/latest/reference/loki-http-api/
#pragma once

#include "cli/telemetry_http.h"
#include "telemetry/source.h"

namespace enclave::cli {

class LokiClient final : public telemetry::LogSource {
 public:
  static constexpr std::size_t kMostLines = 200'000;  // of one query; the rest is left out
  static constexpr std::size_t kPage = 5000;          // Loki's own bound

  static base::Result<std::unique_ptr<telemetry::LogSource>> Create(net::EventLoop& loop,
                                                                    const std::string& url);
  base::Result<> Query(const telemetry::LogQuery& query,
                       const telemetry::LogVisitor& visit) override;
  // Of the last hour.
  base::Result<> OfTrace(trace::TraceId trace_id, const telemetry::LogVisitor& visit) override;
  base::Result<std::vector<telemetry::Labels>> Streams(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeNs range,
      std::size_t limit) override;
  base::Result<std::vector<std::string>> StreamLabelNames(telemetry::TimeRangeNs range) override;
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                           telemetry::TimeRangeNs range) override;

 private:
  LokiClient(std::unique_ptr<TelemetryHttp> http, const base::Clock& clock)
      : http_(std::move(http)), clock_(clock) {}
  base::Result<> Pages(const std::string& query, telemetry::TimeRangeNs range,
                       telemetry::Direction direction, const telemetry::LogVisitor& visit) const;

  const std::unique_ptr<TelemetryHttp> http_;
  const base::Clock& clock_;
};

}  // namespace enclave::cli
