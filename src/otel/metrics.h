// Instruments: counters, up-down counters, histograms with explicit buckets, and gauges and
// counters that are observed when they are collected. Values are cumulative since the start of the
// process. Histograms and counters keep, per point, the last exemplar of each bucket that was made
// inside of a recorded span.
//
// Thread safety: any thread. Ownership: instruments belong to their Meter and live as long.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "otel/context.h"
#include "telemetry/span.h"

namespace opentelemetry::proto::metrics::v1 {
class Metric;
class ScopeMetrics;
}  // namespace opentelemetry::proto::metrics::v1

namespace enclave::otel {

using telemetry::Attribute;
using telemetry::Attributes;

// Points per instrument; observations with further attributes go to one point with the attribute
// otel.metric.overflow = true, as the specification of the SDK says.
inline constexpr std::size_t kMaxPoints = 1000;

// What the semantic conventions advise for durations in seconds.
inline const std::vector<double> kDurationBoundsS = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                                     0.5,   0.75, 1,     2.5,  5,     7.5, 10};

struct InstrumentInfo {
  std::string name;    // "rpc.server.duration"
  std::string unit{};  // UCUM: "s", "By", "{request}"
  std::string description{};
};

struct MetricExemplar {
  double value = 0;
  std::int64_t time_ns = 0;
  trace::TraceId trace_id;
  trace::SpanId span_id;
};

class Counter {
 public:
  enum class Kind : std::uint8_t { kMonotonic, kUpDown };
  Counter(InstrumentInfo info, Kind kind, const base::Clock& clock);
  // For a monotonic counter a negative value is ignored.
  void Add(double value, const Attributes& attributes = {});

 private:
  friend class Meter;
  struct Point {
    Attributes attributes;
    double value = 0;
    std::optional<MetricExemplar> exemplar{};
  };
  void Collect(std::int64_t start_ns, std::int64_t now_ns,
               opentelemetry::proto::metrics::v1::Metric& out);
  const InstrumentInfo info_;
  const Kind kind_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Point> points_;
};

class Histogram {
 public:
  // `bounds` are upper bounds, inclusive, increasing.
  Histogram(InstrumentInfo info, std::vector<double> bounds, const base::Clock& clock);
  void Record(double value, const Attributes& attributes = {});
  // With the exemplar of `span`, for callers whose span is not the current one.
  void Record(double value, const Attributes& attributes, const SpanContext* span);

 private:
  friend class Meter;
  struct Point {
    Attributes attributes;
    std::vector<std::uint64_t> counts;
    std::vector<std::optional<MetricExemplar>> exemplars;
    std::uint64_t count = 0;
    double sum = 0;
    double min = 0;
    double max = 0;
  };
  void Collect(std::int64_t start_ns, std::int64_t now_ns,
               opentelemetry::proto::metrics::v1::Metric& out);
  const InstrumentInfo info_;
  const std::vector<double> bounds_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Point> points_;
};

struct Observation {
  double value = 0;
  Attributes attributes{};
};
using Observer = std::function<std::vector<Observation>()>;

class Meter {
 public:
  // `clock` outlives the meter.
  explicit Meter(const base::Clock& clock);
  ~Meter();

  Counter& CreateCounter(InstrumentInfo info);
  Counter& CreateUpDownCounter(InstrumentInfo info);
  Histogram& CreateHistogram(InstrumentInfo info, std::vector<double> bounds = kDurationBoundsS);
  // `observe` is called at each collection, on the exporter's thread; it must not block.
  void ObserveGauge(InstrumentInfo info, Observer observe);
  void ObserveCounter(InstrumentInfo info, Observer observe);

  // Instruments of this process made once and asked for by name: the same name gives the same one.
  Histogram& DurationHistogram(std::string_view name, std::string_view description);

  // Appends the present value of every instrument that has points.
  void Collect(opentelemetry::proto::metrics::v1::ScopeMetrics& out);

 private:
  struct Observed {
    InstrumentInfo info;
    Observer observe;
    bool monotonic;
  };
  const base::Clock& clock_;
  const std::int64_t start_ns_;
  std::mutex mutex_;
  std::deque<Counter> counters_;
  std::deque<Histogram> histograms_;
  std::vector<Observed> observed_;
  std::unordered_map<std::string, Histogram*> durations_;
};

}  // namespace enclave::otel
