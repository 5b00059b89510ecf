#include "otel/metrics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "opentelemetry/metrics.pb.h"
#include "otel/otlp.h"

namespace enclave::otel {
namespace {

namespace metrics_v1 = opentelemetry::proto::metrics::v1;

// The same attributes in whatever order give the same key. Lengths keep texts apart.
std::string PointKey(Attributes& attributes) {
  std::ranges::sort(attributes, {}, &Attribute::key);
  std::string key;
  for (const Attribute& attribute : attributes) {
    const std::string value = telemetry::ToText(attribute.value);
    key += std::to_string(attribute.key.size());
    key += ':';
    key += attribute.key;
    key += std::to_string(attribute.value.index());
    key += std::to_string(value.size());
    key += ':';
    key += value;
  }
  return key;
}

// The point of the attributes; past the bound, that of the rest. `make` makes a new one.
template <typename Point, typename Make>
Point& FindPoint(std::unordered_map<std::string, Point>& points, Attributes attributes,
                 const Make& make) {
  std::string key = PointKey(attributes);
  if (const auto found = points.find(key); found != points.end()) return found->second;
  if (points.size() >= kMaxPoints) {
    attributes = {{"otel.metric.overflow", true}};
    key = PointKey(attributes);
    if (const auto found = points.find(key); found != points.end()) return found->second;
  }
  return points.emplace(std::move(key), make(std::move(attributes))).first->second;
}

std::optional<MetricExemplar> MakeExemplar(double value, const base::Clock& clock,
                                           const SpanContext* span) {
  if (span == nullptr || !span->sampled) return std::nullopt;
  return MetricExemplar{.value = value,
                        .time_ns = clock.WallNow().time_since_epoch().count(),
                        .trace_id = span->trace_id,
                        .span_id = span->span_id};
}

const SpanContext* CurrentSpan() {
  return Current().span ? &*Current().span : nullptr;
}

void SetExemplar(const MetricExemplar& exemplar, metrics_v1::Exemplar& out) {
  out.set_as_double(exemplar.value);
  out.set_time_unix_nano(static_cast<std::uint64_t>(exemplar.time_ns));
  out.set_trace_id(IdBytes(exemplar.trace_id));
  out.set_span_id(IdBytes(exemplar.span_id));
}

void SetInfo(const InstrumentInfo& info, metrics_v1::Metric& out) {
  out.set_name(info.name);
  out.set_unit(info.unit);
  out.set_description(info.description);
}

template <typename Point>
void SetTimes(std::int64_t start_ns, std::int64_t now_ns, Point& out) {
  out.set_start_time_unix_nano(static_cast<std::uint64_t>(start_ns));
  out.set_time_unix_nano(static_cast<std::uint64_t>(now_ns));
}

}  // namespace

Counter::Counter(InstrumentInfo info, Kind kind, const base::Clock& clock)
    : info_(std::move(info)), kind_(kind), clock_(clock) {}

void Counter::Add(double value, const Attributes& attributes) {
  if (!std::isfinite(value) || (kind_ == Kind::kMonotonic && value < 0)) return;
  auto exemplar = MakeExemplar(value, clock_, CurrentSpan());
  const std::lock_guard lock(mutex_);
  Point& point = FindPoint(points_, attributes,
                           [](Attributes own) { return Point{.attributes = std::move(own)}; });
  point.value += value;
  if (exemplar) point.exemplar = exemplar;
}

void Counter::Collect(std::int64_t start_ns, std::int64_t now_ns, metrics_v1::Metric& out) {
  SetInfo(info_, out);
  metrics_v1::Sum& sum = *out.mutable_sum();
  sum.set_is_monotonic(kind_ == Kind::kMonotonic);
  sum.set_aggregation_temporality(metrics_v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  const std::lock_guard lock(mutex_);
  for (auto& [key, point] : points_) {
    metrics_v1::NumberDataPoint& to = *sum.add_data_points();
    SetTimes(start_ns, now_ns, to);
    to.set_as_double(point.value);
    ToOtlp(point.attributes, *to.mutable_attributes());
    // An exemplar leaves once: the receiver keeps it.
    if (point.exemplar) SetExemplar(*point.exemplar, *to.add_exemplars());
    point.exemplar.reset();
  }
}

Histogram::Histogram(InstrumentInfo info, std::vector<double> bounds, const base::Clock& clock)
    : info_(std::move(info)), bounds_(std::move(bounds)), clock_(clock) {
  CHECK(std::ranges::adjacent_find(bounds_, std::greater_equal<>()) == bounds_.end(),
        "bounds of a histogram increase");
}

void Histogram::Record(double value, const Attributes& attributes) {
  Record(value, attributes, CurrentSpan());
}

void Histogram::Record(double value, const Attributes& attributes, const SpanContext* span) {
  if (!std::isfinite(value)) return;
  auto exemplar = MakeExemplar(value, clock_, span);
  const auto bucket =
      static_cast<std::size_t>(std::ranges::lower_bound(bounds_, value) - bounds_.begin());
  const std::lock_guard lock(mutex_);
  Point& point = FindPoint(points_, attributes, [&](Attributes own) {
    Point made{.attributes = std::move(own)};
    made.counts.resize(bounds_.size() + 1);
    made.exemplars.resize(bounds_.size() + 1);
    return made;
  });
  point.min = point.count == 0 ? value : std::min(point.min, value);
  point.max = point.count == 0 ? value : std::max(point.max, value);
  ++point.count;
  point.sum += value;
  ++point.counts[bucket];
  if (exemplar) point.exemplars[bucket] = exemplar;
}

void Histogram::Collect(std::int64_t start_ns, std::int64_t now_ns, metrics_v1::Metric& out) {
  SetInfo(info_, out);
  metrics_v1::Histogram& histogram = *out.mutable_histogram();
  histogram.set_aggregation_temporality(metrics_v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  const std::lock_guard lock(mutex_);
  for (auto& [key, point] : points_) {
    metrics_v1::HistogramDataPoint& to = *histogram.add_data_points();
    SetTimes(start_ns, now_ns, to);
    to.set_count(point.count);
    to.set_sum(point.sum);
    to.set_min(point.min);
    to.set_max(point.max);
    for (const std::uint64_t count : point.counts) to.add_bucket_counts(count);
    for (const double bound : bounds_) to.add_explicit_bounds(bound);
    ToOtlp(point.attributes, *to.mutable_attributes());
    for (std::optional<MetricExemplar>& exemplar : point.exemplars) {
      if (exemplar) SetExemplar(*exemplar, *to.add_exemplars());
      exemplar.reset();
    }
  }
}

Meter::Meter(const base::Clock& clock)
    : clock_(clock), start_ns_(clock.WallNow().time_since_epoch().count()) {}
Meter::~Meter() = default;

Counter& Meter::CreateCounter(InstrumentInfo info) {
  const std::lock_guard lock(mutex_);
  return counters_.emplace_back(std::move(info), Counter::Kind::kMonotonic, clock_);
}

Counter& Meter::CreateUpDownCounter(InstrumentInfo info) {
  const std::lock_guard lock(mutex_);
  return counters_.emplace_back(std::move(info), Counter::Kind::kUpDown, clock_);
}

Histogram& Meter::CreateHistogram(InstrumentInfo info, std::vector<double> bounds) {
  const std::lock_guard lock(mutex_);
  return histograms_.emplace_back(std::move(info), std::move(bounds), clock_);
}

void Meter::ObserveGauge(InstrumentInfo info, Observer observe) {
  const std::lock_guard lock(mutex_);
  observed_.push_back({std::move(info), std::move(observe), false});
}

void Meter::ObserveCounter(InstrumentInfo info, Observer observe) {
  const std::lock_guard lock(mutex_);
  observed_.push_back({std::move(info), std::move(observe), true});
}

Histogram& Meter::DurationHistogram(std::string_view name, std::string_view description) {
  const std::lock_guard lock(mutex_);
  Histogram*& histogram = durations_[std::string(name)];
  if (histogram == nullptr)
    histogram = &histograms_.emplace_back(
        InstrumentInfo{
            .name = std::string(name), .unit = "s", .description = std::string(description)},
        kDurationBoundsS, clock_);
  return *histogram;
}

void Meter::Collect(metrics_v1::ScopeMetrics& out) {
  out.mutable_scope()->set_name(std::string(kScopeName));
  const std::int64_t now_ns = clock_.WallNow().time_since_epoch().count();
  const std::lock_guard lock(mutex_);
  for (Counter& counter : counters_) {
    counter.Collect(start_ns_, now_ns, *out.add_metrics());
    if (out.metrics().rbegin()->sum().data_points().empty()) out.mutable_metrics()->RemoveLast();
  }
  for (Histogram& histogram : histograms_) {
    histogram.Collect(start_ns_, now_ns, *out.add_metrics());
    if (out.metrics().rbegin()->histogram().data_points().empty())
      out.mutable_metrics()->RemoveLast();
  }
  for (const Observed& observed : observed_) {
    const std::vector<Observation> observations = observed.observe();
    if (observations.empty()) continue;
    metrics_v1::Metric& metric = *out.add_metrics();
    SetInfo(observed.info, metric);
    if (observed.monotonic) {
      metric.mutable_sum()->set_is_monotonic(true);
      metric.mutable_sum()->set_aggregation_temporality(
          metrics_v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
    }
    for (const Observation& observation : observations) {
      auto& point = observed.monotonic ? *metric.mutable_sum()->add_data_points()
                                       : *metric.mutable_gauge()->add_data_points();
      SetTimes(start_ns_, now_ns, point);
      point.set_as_double(observation.value);
      ToOtlp(observation.attributes, *point.mutable_attributes());
    }
  }
}

}  // namespace enclave::otel
