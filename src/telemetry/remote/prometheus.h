// Metrics from a Prometheus over its HTTP API (v1): Prometheus itself, and what answers like it.
//
// Raw samples come from an instant query of a range selector, which every server answers. It leaves
// staleness markers out, so sets read here have none. Time stamps are whole milliseconds.
//
// Thread safety: any thread but the loop's own, as calls block. Ownership: the loop outlives the
// client. Errors name the URL; kResourceExhausted where an answer or the number of series is over
// its bound.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "telemetry/remote/endpoint.h"
#include "telemetry/source.h"

namespace enclave::telemetry::remote {

class HttpQuery;

struct PrometheusOptions {
  std::size_t max_series = 500'000;  // of one Select
  // ExemplarsOf has no call of its own there: exemplars of this time before `clock` are looked
  // through.
  std::chrono::hours exemplar_window{1};
};

class Prometheus final : public MetricSource {
 public:
  // kInvalidArgument for a URL that cannot be used; whether anybody answers shows at the first
  // call.
  static base::Result<std::unique_ptr<Prometheus>> Create(net::EventLoop& loop, Endpoint endpoint,
                                                          PrometheusOptions options = {});
  ~Prometheus() override;

  base::Result<std::unique_ptr<SeriesSet>> Select(const Matchers& matchers,
                                                  TimeRangeMs range) override;
  base::Result<std::vector<Labels>> Series(const std::vector<Matchers>& any_of, TimeRangeMs range,
                                           std::size_t limit) override;
  base::Result<std::vector<std::string>> LabelNames(const std::vector<Matchers>& any_of,
                                                    TimeRangeMs range) override;
  base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                     const std::vector<Matchers>& any_of,
                                                     TimeRangeMs range) override;
  base::Result<std::vector<SeriesExemplars>> Exemplars(const std::vector<Matchers>& any_of,
                                                       TimeRangeMs range) override;
  base::Result<std::vector<SeriesExemplars>> ExemplarsOf(trace::TraceId trace_id) override;
  base::Result<std::map<std::string, std::vector<MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) override;

 private:
  Prometheus(net::EventLoop& loop, std::unique_ptr<HttpQuery> http, PrometheusOptions options);

  net::EventLoop& loop_;
  const std::unique_ptr<HttpQuery> http_;
  const PrometheusOptions options_;
};

}  // namespace enclave::telemetry::remote
