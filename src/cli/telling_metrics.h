// A MetricSource of which whoever asks for everything gets the series that tell something: how
// services served, and what they used; of a bounded time. What is asked for by name is passed on.
//
// Over HTTP all series of an hour are hundreds of megabytes, nearly all of them buckets and inner
// counters that evidence makes no use of.
//
// Thread safety: as the source behind it, which outlives it.
#pragma once

#include "telemetry/source.h"

namespace enclave::cli {

class TellingMetrics final : public telemetry::MetricSource {
 public:
  // Nothing before `from_ms` is asked for.
  TellingMetrics(telemetry::MetricSource& source, std::int64_t from_ms)
      : source_(source), from_ms_(from_ms) {}

  base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(const telemetry::Matchers& matchers,
                                                             telemetry::TimeRangeMs range) override;
  base::Result<std::vector<telemetry::Labels>> Series(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs range,
      std::size_t limit) override {
    return source_.Series(any_of, range, limit);
  }
  base::Result<std::vector<std::string>> LabelNames(const std::vector<telemetry::Matchers>& any_of,
                                                    telemetry::TimeRangeMs range) override {
    return source_.LabelNames(any_of, range);
  }
  base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                     const std::vector<telemetry::Matchers>& any_of,
                                                     telemetry::TimeRangeMs range) override {
    return source_.LabelValues(name, any_of, range);
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> Exemplars(
      const std::vector<telemetry::Matchers>& any_of, telemetry::TimeRangeMs range) override {
    return source_.Exemplars(any_of, range);
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> ExemplarsOf(
      trace::TraceId trace_id) override {
    return source_.ExemplarsOf(trace_id);
  }
  base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) override {
    return source_.Metadata(metric, limit);
  }

 private:
  telemetry::MetricSource& source_;
  const std::int64_t from_ms_;
};

// Whether evidence makes use of a metric of this name.
bool IsTelling(const std::string& metric);

}  // namespace enclave::cli
