#include "observatory/logql/metric_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/quote.h"
#include "observatory/logql/pipeline.h"
#include "observatory/logql/window.h"

namespace enclave::observatory::logql {
namespace {

using telemetry::Labels;

Labels Group(const Grouping& grouping, const Labels& labels) {
  return grouping.without ? labels.Drop(grouping.labels) : labels.Keep(grouping.labels);
}

// What one series of a range function sums up: where a value enters the windows and where it
// leaves them, so that each record costs the same however long the range is.
struct Sliding {
  std::vector<std::int64_t> values;
  std::vector<std::int64_t> records;
};

double Calculate(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSubtract:
      return a - b;
    case BinaryOp::kMultiply:
      return a * b;
    case BinaryOp::kDivide:
      // As in Loki: NaN, not infinity.
      return b == 0 ? std::numeric_limits<double>::quiet_NaN() : a / b;
    case BinaryOp::kModulo:
      return b == 0 ? std::numeric_limits<double>::quiet_NaN() : std::fmod(a, b);
    case BinaryOp::kPower:
      return std::pow(a, b);
    default:
      return a;  // comparisons keep the left value
  }
}

bool Kept(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kEqual:
      return a == b;
    case BinaryOp::kNotEqual:
      return a != b;
    case BinaryOp::kGreater:
      return a > b;
    case BinaryOp::kGreaterOrEqual:
      return a >= b;
    case BinaryOp::kLess:
      return a < b;
    case BinaryOp::kLessOrEqual:
      return a <= b;
    default:
      return true;
  }
}

bool IsComparison(BinaryOp op) {
  return op >= BinaryOp::kEqual;
}

std::int64_t SaturatingAdd(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? INT64_MIN : INT64_MAX;
}

}  // namespace

base::Result<StepVector> MetricQuery::Evaluate(const MetricExpr& expr) {
  if (const auto* range = std::get_if<RangeAggregation>(&expr.what))
    return range->unwrap ? Unwrapped(*range) : Counts(*range, nullptr);
  if (const auto* vector = std::get_if<VectorAggregation>(&expr.what)) return Aggregate(*vector);
  if (const auto* binary = std::get_if<BinaryExpr>(&expr.what)) return Combine(*binary);
  return Number(std::get<NumberExpr>(expr.what));
}

StepVector MetricQuery::Number(const NumberExpr& number) const {
  StepVector result{.scalar = !number.vector};
  result.series.push_back(
      {{}, std::vector<double>(steps_.count, number.value), std::vector<bool>(steps_.count, true)});
  return result;
}

base::Result<> MetricQuery::ForEach(const RangeAggregation& range, const Grouping* grouping,
                                    const RecordVisitor& visit) {
  std::optional<base::Error> error;
  Pipeline pipeline(range.selector);
  const std::int64_t last = steps_.At(steps_.count - 1);
  const telemetry::LogQuery query{
      .matchers = range.selector.matchers,
      // (T - range, T], while the source's ranges are [from, to).
      .range = {SaturatingAdd(SaturatingAdd(SaturatingAdd(steps_.start_ns, -range.range_ns),
                                            -range.offset_ns),
                              1),
                SaturatingAdd(SaturatingAdd(last, -range.offset_ns), 1)},
      .direction = telemetry::Direction::kForward,
      .contains = Pipeline::Literals(range.selector)};
  RETURN_IF_ERROR(
      scan_.Query(source_, query, [&](const Labels& stream, const telemetry::LogRecord& record) {
        if (!pipeline.Process(stream, record)) return true;
        std::optional<double> value;
        if (range.unwrap) {
          value = pipeline.Value(*range.unwrap);
          if (!value) return true;
        } else {
          value = static_cast<double>(pipeline.line().size());
        }
        if (pipeline.has_error()) {
          error.emplace(
              base::ErrorKind::kInvalidArgument,
              fmt::format("a line cannot be read: {} ({}); leave such lines out with | "
                          "__error__=\"\" behind the parser, or behind unwrap. The line: {}",
                          pipeline.Get("__error__"), pipeline.Get("__error_details__"),
                          base::Quote(pipeline.line().substr(0, 200))));
          return false;
        }
        Labels labels;
        if (grouping != nullptr && !grouping->without) {
          for (const std::string& name : grouping->labels) labels.Set(name, pipeline.Get(name));
        } else {
          labels = pipeline.All();
          if (range.unwrap) labels.Remove(range.unwrap->label);
          if (grouping != nullptr) labels = Group(*grouping, labels);
        }
        auto taken =
            visit(std::move(labels), SaturatingAdd(record.time_ns, range.offset_ns), *value);
        if (!taken) error = std::move(taken).error();
        return !error;
      }));
  if (error) return base::Fail(std::move(*error));
  return {};
}

base::Result<> MetricQuery::CheckSeries(std::size_t count) const {
  if (count <= limits_.series && count * steps_.count <= limits_.points) return {};
  return base::Fail(base::ErrorKind::kResourceExhausted,
                    fmt::format("the query makes more than {} series; group them with sum by "
                                "(...), or select fewer streams",
                                count - 1));
}

base::Result<StepVector> MetricQuery::Counts(const RangeAggregation& range,
                                             const Grouping* grouping) {
  std::unordered_map<Labels, Sliding, telemetry::LabelsHash> series;
  const bool bytes = range.op == RangeOp::kBytesOverTime || range.op == RangeOp::kBytesRate;
  // The steps T with time <= T < time + range.
  const auto step_from = [&](std::int64_t time_ns) -> std::size_t {
    if (time_ns <= steps_.start_ns) return 0;
    const auto after = static_cast<std::uint64_t>(time_ns - steps_.start_ns);
    const auto step = static_cast<std::uint64_t>(steps_.step_ns);
    return static_cast<std::size_t>(std::min<std::uint64_t>((after - 1) / step + 1, steps_.count));
  };
  RETURN_IF_ERROR(ForEach(range, grouping,
                          [&](Labels labels, std::int64_t time, double size) -> base::Result<> {
                            const auto [at, added] = series.try_emplace(std::move(labels));
                            Sliding& sliding = at->second;
                            if (added) {
                              RETURN_IF_ERROR(CheckSeries(series.size()));
                              sliding.values.resize(steps_.count + 1);
                              sliding.records.resize(steps_.count + 1);
                            }
                            const std::size_t first = step_from(time);
                            const std::size_t end = step_from(SaturatingAdd(time, range.range_ns));
                            const std::int64_t value = bytes ? static_cast<std::int64_t>(size) : 1;
                            sliding.values[first] += value;
                            sliding.values[end] -= value;
                            ++sliding.records[first];
                            --sliding.records[end];
                            return {};
                          }));

  const bool rate = range.op == RangeOp::kRate || range.op == RangeOp::kBytesRate;
  const double divisor = rate ? static_cast<double>(range.range_ns) / 1e9 : 1;
  StepVector result;
  for (auto& [labels, sliding] : series) {
    StepSeries one{labels, std::vector<double>(steps_.count), std::vector<bool>(steps_.count)};
    std::int64_t value = 0;
    std::int64_t records = 0;
    for (std::size_t i = 0; i < steps_.count; ++i) {
      value += sliding.values[i];
      records += sliding.records[i];
      one.values[i] = static_cast<double>(value) / divisor;
      one.there[i] = records > 0;
    }
    result.series.push_back(std::move(one));
  }
  return result;
}

base::Result<StepVector> MetricQuery::Unwrapped(const RangeAggregation& range) {
  std::unordered_map<Labels, std::vector<UnwrappedSample>, telemetry::LabelsHash> series;
  std::size_t kept = 0;
  RETURN_IF_ERROR(ForEach(range, range.grouping ? &*range.grouping : nullptr,
                          [&](Labels labels, std::int64_t time, double value) -> base::Result<> {
                            const auto [at, added] = series.try_emplace(std::move(labels));
                            if (added) RETURN_IF_ERROR(CheckSeries(series.size()));
                            if (++kept > limits_.samples)
                              return base::Fail(
                                  base::ErrorKind::kResourceExhausted,
                                  fmt::format("the query unwraps more than {} values; take a "
                                              "shorter time or select fewer streams",
                                              limits_.samples));
                            at->second.push_back({time, value});
                            return {};
                          }));
  StepVector result;
  for (auto& [labels, samples] : series) {
    StepSeries one{labels, std::vector<double>(steps_.count), std::vector<bool>(steps_.count)};
    std::size_t from = 0;
    std::size_t to = 0;
    for (std::size_t i = 0; i < steps_.count; ++i) {
      const std::int64_t end = steps_.At(i);
      while (to < samples.size() && samples[to].time_ns <= end) ++to;
      while (from < to && samples[from].time_ns <= SaturatingAdd(end, -range.range_ns)) ++from;
      if (from == to) continue;
      RETURN_IF_ERROR(scan_.Look(to - from));
      const auto value = OverWindow(range, std::span(samples).subspan(from, to - from), end);
      one.there[i] = value.has_value();
      one.values[i] = value.value_or(0);
    }
    result.series.push_back(std::move(one));
  }
  return result;
}

base::Result<StepVector> MetricQuery::Aggregate(const VectorAggregation& aggregation) {
  // A sum of counts is counted together at once.
  const auto* range = std::get_if<RangeAggregation>(&aggregation.inner->what);
  if (aggregation.op == VectorOp::kSum && range != nullptr && !range->unwrap)
    return Counts(*range, &aggregation.grouping);
  ASSIGN_OR_RETURN(StepVector inner, Evaluate(*aggregation.inner));
  if (inner.scalar)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      "a number cannot be aggregated; write vector(...) around it");
  if (aggregation.op == VectorOp::kTopk || aggregation.op == VectorOp::kBottomk)
    return Top(aggregation, std::move(inner));
  struct Groups {
    StepSeries series;
    std::vector<double> counts;
  };
  std::map<Labels, Groups> groups;
  for (const StepSeries& series : inner.series) {
    const auto [at, added] = groups.try_emplace(Group(aggregation.grouping, series.labels));
    Groups& group = at->second;
    if (added) {
      group.series = {at->first, std::vector<double>(steps_.count),
                      std::vector<bool>(steps_.count)};
      group.counts.resize(steps_.count);
    }
    for (std::size_t i = 0; i < steps_.count; ++i) {
      if (!series.there[i]) continue;
      double& value = group.series.values[i];
      const bool first = group.counts[i] == 0;
      switch (aggregation.op) {
        case VectorOp::kMin:
          if (first || series.values[i] < value || std::isnan(value)) value = series.values[i];
          break;
        case VectorOp::kMax:
          if (first || series.values[i] > value || std::isnan(value)) value = series.values[i];
          break;
        default:
          value += series.values[i];
      }
      group.counts[i] += 1;
      group.series.there[i] = true;
    }
  }
  StepVector result;
  for (auto& [labels, group] : groups) {
    for (std::size_t i = 0; i < steps_.count; ++i) {
      if (group.counts[i] == 0) continue;
      if (aggregation.op == VectorOp::kAvg) group.series.values[i] /= group.counts[i];
      if (aggregation.op == VectorOp::kCount) group.series.values[i] = group.counts[i];
    }
    result.series.push_back(std::move(group.series));
  }
  return result;
}

base::Result<StepVector> MetricQuery::Top(const VectorAggregation& aggregation,
                                          StepVector inner) const {
  std::map<Labels, std::vector<std::size_t>> groups;
  // Of equal values the first by labels.
  std::ranges::sort(inner.series, {}, &StepSeries::labels);
  for (std::size_t i = 0; i < inner.series.size(); ++i)
    groups[Group(aggregation.grouping, inner.series[i].labels)].push_back(i);
  std::vector<std::vector<bool>> kept(inner.series.size(), std::vector<bool>(steps_.count));
  std::vector<std::size_t> order;
  const bool top = aggregation.op == VectorOp::kTopk;
  for (std::size_t step = 0; step < steps_.count; ++step) {
    for (const auto& [labels, members] : groups) {
      std::vector<std::size_t> there;
      for (const std::size_t i : members)
        if (inner.series[i].there[step]) there.push_back(i);
      std::ranges::sort(there, [&](std::size_t a, std::size_t b) {
        const double va = inner.series[a].values[step];
        const double vb = inner.series[b].values[step];
        if (std::isnan(va) != std::isnan(vb)) return std::isnan(vb);
        if (va != vb && !std::isnan(va)) return top ? va > vb : va < vb;
        return a < b;
      });
      if (there.size() > aggregation.k) there.resize(aggregation.k);
      for (const std::size_t i : there) kept[i][step] = true;
      if (steps_.count == 1) order.insert(order.end(), there.begin(), there.end());
    }
  }
  if (steps_.count > 1)
    for (std::size_t i = 0; i < inner.series.size(); ++i) order.push_back(i);
  StepVector result{.ordered = true};
  for (const std::size_t i : order) {
    inner.series[i].there = kept[i];
    result.series.push_back(std::move(inner.series[i]));
  }
  return result;
}

base::Result<StepVector> MetricQuery::Combine(const BinaryExpr& binary) {
  ASSIGN_OR_RETURN(StepVector left, Evaluate(*binary.left));
  ASSIGN_OR_RETURN(StepVector right, Evaluate(*binary.right));
  const auto combine = [&](const StepSeries& a, const StepSeries& b, const Labels& labels,
                           bool keep_right) {
    StepSeries result{labels, std::vector<double>(steps_.count), std::vector<bool>(steps_.count)};
    for (std::size_t i = 0; i < steps_.count; ++i) {
      const bool holds = Kept(binary.op, a.values[i], b.values[i]);
      result.there[i] = a.there[i] && b.there[i] && holds;
      result.values[i] = keep_right ? b.values[i] : Calculate(binary.op, a.values[i], b.values[i]);
    }
    return result;
  };
  StepVector result;
  if (left.scalar && right.scalar) {
    result = std::move(left);
    for (std::size_t i = 0; i < steps_.count; ++i) {
      double& value = result.series[0].values[i];
      const double other = right.series[0].values[i];
      value = IsComparison(binary.op) ? (Kept(binary.op, value, other) ? 1 : 0)
                                      : Calculate(binary.op, value, other);
    }
  } else if (left.scalar) {
    for (const StepSeries& series : right.series)
      result.series.push_back(
          combine(left.series[0], series, series.labels, IsComparison(binary.op)));
  } else if (right.scalar) {
    for (const StepSeries& series : left.series)
      result.series.push_back(combine(series, right.series[0], series.labels, false));
  } else {
    std::map<Labels, const StepSeries*> by_labels;
    for (const StepSeries& series : right.series) by_labels.emplace(series.labels, &series);
    for (const StepSeries& series : left.series) {
      const auto other = by_labels.find(series.labels);
      if (other != by_labels.end())
        result.series.push_back(combine(series, *other->second, series.labels, false));
    }
  }
  return result;
}

}  // namespace enclave::observatory::logql
