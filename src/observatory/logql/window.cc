#include "observatory/logql/window.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace enclave::observatory::logql {
namespace {

double SumOf(std::span<const UnwrappedSample> samples) {
  double sum = 0;
  for (const UnwrappedSample& sample : samples) sum += sample.value;
  return sum;
}

// Welford's, so that large values that differ little keep their digits.
double VarianceOf(std::span<const UnwrappedSample> samples) {
  double count = 0;
  double mean = 0;
  double squares = 0;
  for (const UnwrappedSample& sample : samples) {
    count += 1;
    const double delta = sample.value - mean;
    mean += delta / count;
    squares += delta * (sample.value - mean);
  }
  return squares / count;
}

// Linear between the two nearest.
double QuantileOf(double quantile, std::span<const UnwrappedSample> samples) {
  if (std::isnan(quantile)) return std::numeric_limits<double>::quiet_NaN();
  if (quantile < 0) return -std::numeric_limits<double>::infinity();
  if (quantile > 1) return std::numeric_limits<double>::infinity();
  std::vector<double> values;
  values.reserve(samples.size());
  for (const UnwrappedSample& sample : samples) values.push_back(sample.value);
  // NaN is below everything.
  const auto less = [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; };
  const double rank = quantile * static_cast<double>(values.size() - 1);
  const auto lower = static_cast<std::size_t>(std::floor(rank));
  const std::size_t upper = std::min(lower + 1, values.size() - 1);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(lower);
  std::ranges::nth_element(values, at, less);
  const double below = *at;
  const double above =
      upper == lower ? below : *std::ranges::min_element(at + 1, values.end(), less);
  const double weight = rank - static_cast<double>(lower);
  return below * (1 - weight) + above * weight;
}

// The increase of a counter that may start anew, extrapolated to the whole window, per second.
std::optional<double> CounterRateOf(std::span<const UnwrappedSample> samples, std::int64_t range_ns,
                                    std::int64_t end_ns) {
  const auto seconds = [](std::int64_t ns) { return static_cast<double>(ns) / 1e9; };
  if (samples.size() < 2) return std::nullopt;
  const UnwrappedSample& first = samples.front();
  const UnwrappedSample& last = samples.back();
  if (first.time_ns == last.time_ns) return std::nullopt;
  double increase = last.value - first.value;
  for (std::size_t i = 1; i < samples.size(); ++i)
    if (samples[i].value < samples[i - 1].value) increase += samples[i - 1].value;
  const double sampled = seconds(last.time_ns - first.time_ns);
  const double between = sampled / static_cast<double>(samples.size() - 1);
  double before = seconds(range_ns) - seconds(end_ns - first.time_ns);
  const double after = seconds(end_ns - last.time_ns);
  // No counter was below zero.
  if (increase > 0 && first.value >= 0) before = std::min(before, sampled * first.value / increase);
  const double threshold = between * 1.1;
  const double whole = sampled + (before < threshold ? before : between / 2) +
                       (after < threshold ? after : between / 2);
  return increase * (whole / sampled) / seconds(range_ns);
}

}  // namespace

std::optional<double> OverWindow(const RangeAggregation& range,
                                 std::span<const UnwrappedSample> samples, std::int64_t end_ns) {
  switch (range.op) {
    case RangeOp::kRate:
      return SumOf(samples) / (static_cast<double>(range.range_ns) / 1e9);
    case RangeOp::kRateCounter:
      return CounterRateOf(samples, range.range_ns, end_ns);
    case RangeOp::kSumOverTime:
      return SumOf(samples);
    case RangeOp::kAvgOverTime:
      return SumOf(samples) / static_cast<double>(samples.size());
    case RangeOp::kMinOverTime:
      return std::ranges::min(samples, {}, &UnwrappedSample::value).value;
    case RangeOp::kMaxOverTime:
      return std::ranges::max(samples, {}, &UnwrappedSample::value).value;
    case RangeOp::kFirstOverTime:
      return samples.front().value;
    case RangeOp::kLastOverTime:
      return samples.back().value;
    case RangeOp::kStdvarOverTime:
      return VarianceOf(samples);
    case RangeOp::kStddevOverTime:
      return std::sqrt(VarianceOf(samples));
    case RangeOp::kQuantileOverTime:
      return QuantileOf(range.quantile, samples);
    case RangeOp::kCountOverTime:
    case RangeOp::kBytesOverTime:
    case RangeOp::kBytesRate:
      return static_cast<double>(samples.size());  // these take no unwrap
  }
  return std::nullopt;
}

}  // namespace enclave::observatory::logql
