#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <unordered_map>

#include <fmt/format.h>

#include "base/quote.h"
#include "observatory/ingest/metric_name.h"
#include "observatory/ingest/otlp.h"
#include "observatory/ingest/series_labels.h"
#include "observatory/ingest/text.h"

namespace enclave::observatory::ingest {
namespace {

namespace metrics_wire = opentelemetry::proto::metrics::v1;
using telemetry::LabelView;
using telemetry::MetricType;
using telemetry::SeriesWrite;

constexpr std::size_t kMaxExemplarLabelBytes = 128;  // OpenMetrics' bound
constexpr std::uint32_t kNoRecordedValue = 1;        // DataPointFlags
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// As Prometheus writes a bound that came by OTLP: shortest digits, no exponent.
std::string BoundText(double bound) {
  if (std::isinf(bound)) return bound > 0 ? "+Inf" : "-Inf";
  if (std::isnan(bound)) return "NaN";
  char buffer[400];
  const auto end =
      std::to_chars(std::begin(buffer), std::end(buffer), bound, std::chars_format::fixed);
  return {std::begin(buffer), end.ptr};
}

class MetricTranslator {
 public:
  MetricTranslator(const OtlpOptions& options, ByteBudget::Hold& hold, Translated& result)
      : options_(options),
        hold_(hold),
        result_(result),
        batch_(result.batch),
        labels_(options, result) {}

  base::Result<> Resource(const metrics_wire::ResourceMetrics& group) {
    labels_.SetResource(group.resource().attributes());
    latest_ms_ = INT64_MIN;
    for (const metrics_wire::ScopeMetrics& scope : group.scope_metrics()) {
      labels_.SetScope(scope.scope());
      for (const metrics_wire::Metric& metric : scope.metrics()) RETURN_IF_ERROR(Metric(metric));
    }
    if (latest_ms_ == INT64_MIN || labels_.target_info().empty()) return {};
    Describe("target_info", MetricType::kGauge, "Target metadata", "");
    return Add("target_info", labels_.target_info(), {}, {.time_ms = latest_ms_, .value = 1});
  }

 private:
  base::Result<> Metric(const metrics_wire::Metric& metric) {
    switch (metric.data_case()) {
      case metrics_wire::Metric::kGauge:
        return Numbers(metric, metric.gauge().data_points(), NameKind::kGauge);
      case metrics_wire::Metric::kSum: {
        const metrics_wire::Sum& sum = metric.sum();
        if (!IsCumulative(metric, sum.aggregation_temporality(), sum.data_points_size())) return {};
        return Numbers(metric, sum.data_points(),
                       sum.is_monotonic() ? NameKind::kCounter : NameKind::kOther);
      }
      case metrics_wire::Metric::kHistogram:
        if (!IsCumulative(metric, metric.histogram().aggregation_temporality(),
                          metric.histogram().data_points_size()))
          return {};
        return Histograms(metric);
      case metrics_wire::Metric::kExponentialHistogram:
        Refuse(metric, metric.exponential_histogram().data_points_size(),
               "exponential histograms are not kept; use explicit buckets "
               "(OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="
               "explicit_bucket_histogram)");
        return {};
      case metrics_wire::Metric::kSummary:
        return Summaries(metric);
      case metrics_wire::Metric::DATA_NOT_SET:
        return {};
    }
    return {};
  }

  bool IsCumulative(const metrics_wire::Metric& metric,
                    metrics_wire::AggregationTemporality temporality, int points) {
    if (temporality == metrics_wire::AGGREGATION_TEMPORALITY_CUMULATIVE) return true;
    Refuse(metric, points,
           temporality == metrics_wire::AGGREGATION_TEMPORALITY_DELTA
               ? "delta temporality is not kept; export cumulative values "
                 "(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative)"
               : "its aggregation temporality is not set");
    return false;
  }

  void Refuse(const metrics_wire::Metric& metric, int points, std::string_view why) {
    const auto count = static_cast<std::size_t>(points);
    result_.items += count;
    RefuseCounted(metric, count, why);
  }

  void RefuseCounted(const metrics_wire::Metric& metric, std::size_t count, std::string_view why) {
    result_.refused.Add(
        count, result_.refused.count > 0
                   ? ""
                   : fmt::format("metric {}: {}", base::Quote(Cut(metric.name(), 200)), why));
  }

  // Of a data point; nullopt, and refused, for one without a time.
  template <typename Point>
  std::optional<std::int64_t> TimeOf(const metrics_wire::Metric& metric, const Point& point) {
    ++result_.items;
    const std::uint64_t time = point.time_unix_nano();
    if (time == 0 || time > INT64_MAX) {
      RefuseCounted(metric, 1, "a data point's time is missing or past the year 2262");
      return std::nullopt;
    }
    const auto time_ms = static_cast<std::int64_t>(time / 1'000'000);
    latest_ms_ = std::max(latest_ms_, time_ms);
    return time_ms;
  }

  // The name in Prometheus' form, kept; "", and all points refused, when there is none.
  std::string_view Name(const metrics_wire::Metric& metric, NameKind kind, MetricType type,
                        int points) {
    // Cut here already: each word of a name takes far more memory than its bytes.
    const std::string_view unit = Cut(metric.unit(), options_.attributes.max_key_bytes);
    std::string name = MetricName(Cut(metric.name(), options_.max_name_bytes), unit, kind);
    if (name.empty()) {
      Refuse(metric, points, "its name has no letter or digit");
      return "";
    }
    Describe(name, type, metric.description(), UnitName(unit));
    return batch_.Keep(std::move(name));
  }

  void Describe(std::string_view name, MetricType type, const std::string& help,
                std::string_view unit) {
    batch_.metadata[std::string(name)] = {
        .type = type,
        .help = std::string(Cut(help, options_.max_name_bytes)),
        .unit = std::string(Cut(unit, options_.attributes.max_key_bytes))};
  }

  using NumberPoints = google::protobuf::RepeatedPtrField<metrics_wire::NumberDataPoint>;
  base::Result<> Numbers(const metrics_wire::Metric& metric, const NumberPoints& points,
                         NameKind kind) {
    const std::string_view name =
        Name(metric, kind, kind == NameKind::kCounter ? MetricType::kCounter : MetricType::kGauge,
             points.size());
    if (name.empty()) return {};
    for (const metrics_wire::NumberDataPoint& point : points) {
      const auto time_ms = TimeOf(metric, point);
      if (!time_ms) continue;
      double value = point.value_case() == metrics_wire::NumberDataPoint::kAsInt
                         ? static_cast<double>(point.as_int())
                         : point.as_double();
      if ((point.flags() & kNoRecordedValue) != 0) value = stale_;
      labels_.OfPoint(point.attributes(), "", base_);
      RETURN_IF_ERROR(Add(name, base_, {}, {.time_ms = *time_ms, .value = value}));
      for (const metrics_wire::Exemplar& exemplar : point.exemplars())
        RETURN_IF_ERROR(AddExemplar(exemplar, batch_.series.back()));
    }
    return {};
  }

  base::Result<> Histograms(const metrics_wire::Metric& metric) {
    const auto& points = metric.histogram().data_points();
    const std::string_view name =
        Name(metric, NameKind::kOther, MetricType::kHistogram, points.size());
    if (name.empty()) return {};
    const std::string_view bucket = batch_.Keep(fmt::format("{}_bucket", name));
    const std::string_view sum = batch_.Keep(fmt::format("{}_sum", name));
    const std::string_view count = batch_.Keep(fmt::format("{}_count", name));
    for (const metrics_wire::HistogramDataPoint& point : points) {
      const auto time_ms = TimeOf(metric, point);
      if (!time_ms) continue;
      const auto bounds = point.explicit_bounds_size();
      if (const char* fault = FaultOf(point)) {
        RefuseCounted(metric, 1, fault);
        continue;
      }
      const bool stale = (point.flags() & kNoRecordedValue) != 0;
      const auto sample = [&](double value) {
        return telemetry::Sample{.time_ms = *time_ms, .value = stale ? stale_ : value};
      };
      labels_.OfPoint(point.attributes(), "le", base_);
      if (point.has_sum() || stale) RETURN_IF_ERROR(Add(sum, base_, {}, sample(point.sum())));
      RETURN_IF_ERROR(Add(count, base_, {}, sample(static_cast<double>(point.count()))));
      const std::size_t first = batch_.series.size();
      std::uint64_t below = 0;
      for (int i = 0; i < bounds; ++i) {
        if (i < point.bucket_counts_size()) below += point.bucket_counts(i);
        if (std::isinf(point.explicit_bounds(i))) continue;  // the last one stands for it
        RETURN_IF_ERROR(Add(bucket, base_, {"le", Bound(point.explicit_bounds(i))},
                            sample(static_cast<double>(below))));
      }
      RETURN_IF_ERROR(
          Add(bucket, base_, {"le", "+Inf"}, sample(static_cast<double>(point.count()))));
      RETURN_IF_ERROR(AddBucketExemplars(point, first));
    }
    return {};
  }

  static const char* FaultOf(const metrics_wire::HistogramDataPoint& point) {
    const auto& bounds = point.explicit_bounds();
    const bool none = point.bucket_counts_size() == 0;
    if (!none && point.bucket_counts_size() != bounds.size() + 1)
      return "a histogram has to have one bucket more than bounds";
    for (int i = 0; i < bounds.size(); ++i)
      if (std::isnan(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
        return "the bounds of a histogram have to grow";
    return nullptr;
  }

  // Each exemplar stands with the bucket that counts it first.
  base::Result<> AddBucketExemplars(const metrics_wire::HistogramDataPoint& point,
                                    std::size_t first) {
    const auto& bounds = point.explicit_bounds();
    for (const metrics_wire::Exemplar& exemplar : point.exemplars()) {
      const double value = ValueOf(exemplar);
      const auto at = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
      // An infinite bound at the front or the end has no series of its own.
      const std::size_t skipped = !bounds.empty() && bounds[0] == -kInfinity && at > 0 ? 1 : 0;
      const std::size_t index = first + static_cast<std::size_t>(at) - skipped;
      RETURN_IF_ERROR(
          AddExemplar(exemplar, batch_.series[std::min(index, batch_.series.size() - 1)]));
    }
    return {};
  }

  base::Result<> Summaries(const metrics_wire::Metric& metric) {
    const auto& points = metric.summary().data_points();
    const std::string_view name =
        Name(metric, NameKind::kOther, MetricType::kSummary, points.size());
    if (name.empty()) return {};
    const std::string_view sum = batch_.Keep(fmt::format("{}_sum", name));
    const std::string_view count = batch_.Keep(fmt::format("{}_count", name));
    for (const metrics_wire::SummaryDataPoint& point : points) {
      const auto time_ms = TimeOf(metric, point);
      if (!time_ms) continue;
      const bool stale = (point.flags() & kNoRecordedValue) != 0;
      const auto sample = [&](double value) {
        return telemetry::Sample{.time_ms = *time_ms, .value = stale ? stale_ : value};
      };
      labels_.OfPoint(point.attributes(), "quantile", base_);
      RETURN_IF_ERROR(Add(sum, base_, {}, sample(point.sum())));
      RETURN_IF_ERROR(Add(count, base_, {}, sample(static_cast<double>(point.count()))));
      for (const auto& quantile : point.quantile_values())
        RETURN_IF_ERROR(
            Add(name, base_, {"quantile", Bound(quantile.quantile())}, sample(quantile.value())));
    }
    return {};
  }

  // `extra` is a label more, when it has a name.
  base::Result<> Add(std::string_view name, const std::vector<LabelView>& labels, LabelView extra,
                     telemetry::Sample sample) {
    RETURN_IF_ERROR(hold_.Charge(sizeof(SeriesWrite) + (labels.size() + 2) * sizeof(LabelView) +
                                 sizeof(telemetry::Sample) + 64));
    SeriesWrite& series = batch_.series.emplace_back();
    series.labels.reserve(labels.size() + 2);
    series.labels.push_back({telemetry::kMetricName, name});
    series.labels.insert(series.labels.end(), labels.begin(), labels.end());
    if (!extra.name.empty()) series.labels.push_back(extra);
    series.samples.push_back(sample);
    return {};
  }

  std::string_view Bound(double bound) {
    const auto [at, added] = bounds_.try_emplace(std::bit_cast<std::uint64_t>(bound));
    if (added) at->second = batch_.Keep(BoundText(bound));
    return at->second;
  }

  static double ValueOf(const metrics_wire::Exemplar& exemplar) {
    return exemplar.value_case() == metrics_wire::Exemplar::kAsInt
               ? static_cast<double>(exemplar.as_int())
               : exemplar.as_double();
  }

  base::Result<> AddExemplar(const metrics_wire::Exemplar& from, SeriesWrite& series) {
    if (from.time_unix_nano() > INT64_MAX) {
      ++result_.cut;
      return {};
    }
    RETURN_IF_ERROR(hold_.Charge(sizeof(telemetry::Exemplar) + 2 * kMaxExemplarLabelBytes));
    telemetry::Exemplar exemplar{
        .value = ValueOf(from),
        .time_ms = static_cast<std::int64_t>(from.time_unix_nano() / 1'000'000),
        .trace_id = TraceIdOf(from.trace_id()),
        .span_id = SpanIdOf(from.span_id())};
    std::vector<telemetry::Label> labels;
    AppendLabels(from.filtered_attributes(), options_.attributes, result_.cut, labels);
    std::size_t bytes = 0;
    for (const telemetry::Label& label : labels) bytes += label.name.size() + label.value.size();
    // The trace is what an exemplar is for: without room for the rest it stays alone.
    if (bytes <= kMaxExemplarLabelBytes) {
      exemplar.labels = ToLabels(std::move(labels));
    } else {
      ++result_.cut;
    }
    series.exemplars.push_back(std::move(exemplar));
    return {};
  }

  const double stale_ = std::bit_cast<double>(telemetry::kStaleBits);
  const OtlpOptions& options_;
  ByteBudget::Hold& hold_;
  Translated& result_;
  telemetry::Batch& batch_;
  SeriesLabels labels_;
  std::vector<LabelView> base_;  // of the current point
  std::unordered_map<std::uint64_t, std::string_view> bounds_;
  std::int64_t latest_ms_ = INT64_MIN;  // of the current resource's points
};

}  // namespace

base::Result<Translated> TranslateMetrics(const MetricsRequest& request, const OtlpOptions& options,
                                          ByteBudget::Hold& hold) {
  Translated result;
  MetricTranslator translator(options, hold, result);
  for (const metrics_wire::ResourceMetrics& group : request.resource_metrics())
    RETURN_IF_ERROR(translator.Resource(group));
  return result;
}

}  // namespace enclave::observatory::ingest
