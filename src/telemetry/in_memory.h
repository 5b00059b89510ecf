// The read ports over telemetry held in memory: for incidents that come as files, for replays and
// for tests.
//
// Filled first, read afterwards: `Add` is for one thread and not while others read; reading is for
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "telemetry/source.h"

namespace enclave::telemetry {

class InMemoryMetrics final : public MetricSource {
 public:
  // Samples in any order; a series may be added to again; of two with one time the last one stays.
  void Add(Labels labels, std::vector<Sample> samples);
  void AddExemplars(Labels labels, std::vector<Exemplar> exemplars);
  void SetMetadata(const std::string& metric, MetricMetadata metadata);

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
  struct Entry {
    Labels labels;
    std::vector<Sample> samples;  // by time, times unique
  };
  class Set;

  // Calls `take` for each series that may match one of the selectors (all, without any) and has
  // samples in the range; each once.
  template <typename Take>
  void Find(const std::vector<Matchers>& any_of, TimeRangeMs range, const Take& take) const;

  // Shared with the sets that were selected; copied before a change when one still holds it.
  std::vector<std::shared_ptr<const Entry>> series_;
  std::unordered_map<Labels, std::size_t, LabelsHash> index_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_name_;
  std::map<Labels, std::vector<Exemplar>> exemplars_;  // by time
  std::map<std::string, std::vector<MetricMetadata>> metadata_;
};

class InMemoryLogs final : public LogSource {
 public:
  // Records in any order.
  void Add(const Labels& stream, std::vector<LogRecord> records);

  base::Result<> Query(const LogQuery& query, const LogVisitor& visit) override;
  base::Result<> OfTrace(trace::TraceId trace_id, const LogVisitor& visit) override;
  base::Result<std::vector<Labels>> Streams(const std::vector<Matchers>& any_of, TimeRangeNs range,
                                            std::size_t limit) override;
  base::Result<std::vector<std::string>> StreamLabelNames(TimeRangeNs range) override;
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                           TimeRangeNs range) override;

  std::size_t size() const { return arrivals_; }  // records

 private:
  struct Entry {
    LogRecord record;
    std::uint64_t arrival;
  };
  std::map<Labels, std::vector<Entry>> streams_;  // by time, of equal times by arrival
  std::uint64_t arrivals_ = 0;
};

class InMemoryTraces final : public TraceSource {
 public:
  void Add(Span span);
  std::size_t size() const { return spans_.size(); }

  base::Result<> Visit(TimeRangeNs range, const SpanVisitor& visit) override;
  base::Result<std::vector<Span>> Trace(trace::TraceId trace_id) override;
  base::Result<std::vector<Span>> FindSpans(const SpanQuery& query) override;
  base::Result<std::vector<std::string>> Services(TimeRangeNs range) override;
  base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                    TimeRangeNs range) override;

 private:
  // The ids are random numbers already.
  struct TraceIdHash {
    std::size_t operator()(const trace::TraceId& id) const { return id.low() ^ id.high(); }
  };
  std::vector<Span> spans_;              // in the order they came
  std::vector<std::int64_t> starts_ns_;  // of each: a scan for a range reads these alone
  std::unordered_map<trace::TraceId, std::vector<std::uint32_t>, TraceIdHash> of_trace_;
};

}  // namespace enclave::telemetry
