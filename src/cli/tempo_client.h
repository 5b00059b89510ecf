// Traces over Tempo's HTTP API: of Tempo and of the observatory.
//
// Tempo finds traces and gives out whole ones; so a stretch of time is visited by searching for its
// traces, failed ones first, and reading each. Traces that are over are kept, so that the next look
// at nearly the same stretch reads only what is new. At most kMostTraces of one stretch are read:
// beyond that, spans are a sample.
//
// Thread safety: any thread but the loop's. Source:
// https://grafana.com/docs/tempo/latest/api_docs/
#pragma once

#include <deque>
#include <map>
#include <mutex>

#include "cli/telemetry_http.h"
#include "telemetry/source.h"
#include "telemetry/workers.h"

namespace enclave::cli {

class TempoClient final : public telemetry::TraceSource {
 public:
  static constexpr std::size_t kMostTraces = 1500;
  static constexpr std::size_t kMostFailed = 300;
  static constexpr std::size_t kMostKept = 4000;

  static base::Result<std::unique_ptr<telemetry::TraceSource>> Create(net::EventLoop& loop,
                                                                      const std::string& url);
  base::Result<> Visit(telemetry::TimeRangeNs range, const telemetry::SpanVisitor& visit) override;
  base::Result<std::vector<telemetry::Span>> Trace(trace::TraceId trace_id) override;
  base::Result<std::vector<telemetry::Span>> FindSpans(const telemetry::SpanQuery& query) override;
  base::Result<std::vector<std::string>> Services(telemetry::TimeRangeNs range) override;
  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    telemetry::TimeRangeNs range) override;

 private:
  using Spans = std::shared_ptr<const std::vector<telemetry::Span>>;
  TempoClient(std::unique_ptr<TelemetryHttp> http, const base::Clock& clock)
      : http_(std::move(http)), clock_(clock) {}
  base::Result<std::vector<trace::TraceId>> Search(const std::string& query,
                                                   telemetry::TimeRangeNs range,
                                                   std::size_t limit) const;
  base::Result<Spans> Read(trace::TraceId trace_id);
  // Those that could be read, in the order of the ids; an error when none could.
  base::Result<std::vector<Spans>> ReadAll(const std::vector<trace::TraceId>& ids);

  const std::unique_ptr<TelemetryHttp> http_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::map<trace::TraceId, Spans> kept_;
  std::deque<trace::TraceId> kept_order_;
  telemetry::ThreadWorkers readers_{"tempo", 4, kMostTraces};
};

}  // namespace enclave::cli
