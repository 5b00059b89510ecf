// The read ports of the telemetry: what rules, dashboards, the evidence query and the agent ask.
// The embedded store implements them, and so do clients of Prometheus, Loki and Tempo; no caller
// can tell which.
//
// Thread safety: every method may be called from any thread; calls block until they are answered.
// A result is a snapshot: what is written later does not show in it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/labels.h"
#include "telemetry/log_record.h"
#include "telemetry/matcher.h"
#include "telemetry/metric.h"
#include "telemetry/span.h"

namespace enclave::telemetry {

// Both ends inclusive.
struct TimeRangeMs {
  std::int64_t from;
  std::int64_t to;
};
// The first inclusive, the last exclusive, as in Loki's queries.
struct TimeRangeNs {
  std::int64_t from;
  std::int64_t to;
};

// The series that a selector found, read one by one, so that no query holds all samples at once.
class SeriesSet {
 public:
  virtual ~SeriesSet() = default;
  virtual std::size_t size() const = 0;
  virtual const Labels& labels(std::size_t index) const = 0;  // sets are in no particular order
  // Replaces `samples` by those of the range asked for, by time, times unique, staleness markers
  // among them.
  virtual base::Result<> Read(std::size_t index, std::vector<Sample>& samples) = 0;
};

class MetricSource {
 public:
  virtual ~MetricSource() = default;
  // Series that match all matchers and may have samples in the range. kResourceExhausted when more
  // than the source's bound match.
  virtual base::Result<std::unique_ptr<SeriesSet>> Select(const Matchers& matchers,
                                                          TimeRangeMs range) = 0;
  // Label sets alone. With no matchers: all.
  virtual base::Result<std::vector<Labels>> Series(const std::vector<Matchers>& any_of,
                                                   TimeRangeMs range, std::size_t limit) = 0;
  virtual base::Result<std::vector<std::string>> LabelNames(const std::vector<Matchers>& any_of,
                                                            TimeRangeMs range) = 0;
  virtual base::Result<std::vector<std::string>> LabelValues(const std::string& name,
                                                             const std::vector<Matchers>& any_of,
                                                             TimeRangeMs range) = 0;
  virtual base::Result<std::vector<SeriesExemplars>> Exemplars(const std::vector<Matchers>& any_of,
                                                               TimeRangeMs range) = 0;
  virtual base::Result<std::vector<SeriesExemplars>> ExemplarsOf(trace::TraceId trace_id) = 0;
  // By metric name; "" asks for all, at most `limit`.
  virtual base::Result<std::map<std::string, std::vector<MetricMetadata>>> Metadata(
      const std::string& metric, std::size_t limit) = 0;
};

enum class Direction : std::uint8_t { kForward, kBackward };

struct LogQuery {
  Matchers matchers;  // of the stream's labels
  TimeRangeNs range;
  Direction direction = Direction::kForward;
  // Literal texts that each wanted line contains: the source may skip lines without them and need
  // not (the caller filters again).
  std::vector<std::string> contains{};
  // Told of lines, and bytes of them, that the source has read, wanted or not; false ends the query
  // early and without an error. A source may read without telling.
  std::function<bool(std::size_t lines, std::size_t bytes)> reading{};
};

// `stream` and `record` live for the call only; false ends the query.
using LogVisitor = std::function<bool(const Labels& stream, const LogRecord& record)>;

class LogSource {
 public:
  virtual ~LogSource() = default;
  // Visits records of all matching streams in order of time (of equal times, of arrival).
  virtual base::Result<> Query(const LogQuery& query, const LogVisitor& visit) = 0;
  virtual base::Result<> OfTrace(trace::TraceId trace_id, const LogVisitor& visit) = 0;
  virtual base::Result<std::vector<Labels>> Streams(const std::vector<Matchers>& any_of,
                                                    TimeRangeNs range, std::size_t limit) = 0;
  virtual base::Result<std::vector<std::string>> StreamLabelNames(TimeRangeNs range) = 0;
  virtual base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                                   TimeRangeNs range) = 0;
};

struct SpanQuery {
  TimeRangeNs range;                       // of the span's start
  std::optional<std::string> service{};    // unset: any
  std::optional<std::string> operation{};  // the span's name
  std::optional<SpanStatus> status{};
  std::int64_t min_duration_ns = 0;
  std::int64_t max_duration_ns = INT64_MAX;
  Attributes tags{};  // equal, compared as text, among the span's attributes or its resource's
  std::size_t limit = 20;
};

// Whether a span is one of those asked for.
bool Matches(const SpanQuery& query, const Span& span);

// `span` lives for the call only; false ends the visit.
using SpanVisitor = std::function<bool(const Span& span)>;

class TraceSource {
 public:
  virtual ~TraceSource() = default;
  // Visits every span that starts in the range, in no particular order, without holding them all.
  // Sources that can only search override it when they can do better than one unbounded search.
  virtual base::Result<> Visit(TimeRangeNs range, const SpanVisitor& visit);
  // All spans of a trace, by start; empty when there is none.
  virtual base::Result<std::vector<Span>> Trace(trace::TraceId trace_id) = 0;
  // Spans that match, newest first.
  virtual base::Result<std::vector<Span>> FindSpans(const SpanQuery& query) = 0;
  virtual base::Result<std::vector<std::string>> Services(TimeRangeNs range) = 0;
  virtual base::Result<std::vector<std::string>> Operations(const std::string& service,
                                                            TimeRangeNs range) = 0;
};

}  // namespace enclave::telemetry
