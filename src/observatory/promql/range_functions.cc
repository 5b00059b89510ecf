#include "observatory/promql/range_functions.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "observatory/promql/column.h"

namespace enclave::observatory::promql {
namespace {

using telemetry::Sample;
using Scratch = std::vector<double>;
using Samples = std::span<const Sample>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Samples Of(const RangeInput& input, const Window& window) {
  return input.samples.subspan(window.first, window.last - window.first);
}

double Seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1000;
}

// The change over the window, extrapolated to its ends: as far as the samples suggest that the
// series goes on, and for a counter not beyond where it would have been zero.
template <bool kCounter, bool kPerSecond>
bool Extrapolated(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  if (samples.size() < 2) return false;
  double change = samples.back().value - samples.front().value;
  if constexpr (kCounter) {
    if (!input.resets.empty()) {
      auto reset = std::ranges::upper_bound(input.resets, window.first);
      for (; reset != input.resets.end() && *reset < window.last; ++reset)
        change += input.samples[*reset - 1].value;
    }
  }
  // In milliseconds; the unit cancels out.
  auto to_start = static_cast<double>(samples.front().time_ms - window.start_ms);
  auto to_end = static_cast<double>(window.end_ms - samples.back().time_ms);
  const auto sampled = static_cast<double>(samples.back().time_ms - samples.front().time_ms);
  const double average = sampled / static_cast<double>(samples.size() - 1);
  const double threshold = average * 1.1;
  if (to_start >= threshold) to_start = average / 2;
  if constexpr (kCounter) {
    const double first = samples.front().value;
    if (change > 0 && first >= 0 && sampled * first < to_start * change)
      to_start = sampled * (first / change);
  }
  if (to_end >= threshold) to_end = average / 2;
  double factor = (sampled + to_start + to_end) / sampled;
  if constexpr (kPerSecond) factor /= Seconds(window.end_ms - window.start_ms);
  result = change * factor;
  return true;
}

template <bool kCounter>
bool LastChange(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  if (samples.size() < 2) return false;
  const Sample& last = samples.back();
  const Sample& before = samples[samples.size() - 2];
  const bool reset = kCounter && last.value < before.value;
  result = reset ? last.value : last.value - before.value;
  if constexpr (kCounter) result /= Seconds(last.time_ms - before.time_ms);
  return true;
}

bool SumOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  CompensatedSum sum;
  for (const Sample& sample : Of(input, window)) sum.Add(sample.value);
  result = std::isinf(sum.sum) ? sum.sum : sum.Total();
  return true;
}

bool AvgOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  CompensatedMean mean;
  for (const Sample& sample : Of(input, window)) mean.Add(sample.value);
  result = mean.Mean();
  return true;
}

bool CountOverTime(const RangeInput&, const Window& window, double& result, Scratch&) {
  result = static_cast<double>(window.last - window.first);
  return true;
}

bool PresentOverTime(const RangeInput&, const Window&, double& result, Scratch&) {
  result = 1;
  return true;
}

bool MaxOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  result = samples.front().value;
  for (const Sample& sample : samples)
    if (sample.value > result || std::isnan(result)) result = sample.value;
  return true;
}

bool MinOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  result = samples.front().value;
  for (const Sample& sample : samples)
    if (sample.value < result || std::isnan(result)) result = sample.value;
  return true;
}

bool FirstOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  result = input.samples[window.first].value;
  return true;
}

bool LastOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  result = input.samples[window.last - 1].value;
  return true;
}

bool QuantileOverTime(const RangeInput& input, const Window& window, double& result,
                      Scratch& scratch) {
  scratch.clear();
  for (const Sample& sample : Of(input, window)) scratch.push_back(sample.value);
  result = Quantile(window.parameter, scratch);
  return true;
}

double Variance(Samples samples) {
  double count = 0;
  CompensatedSum mean;
  CompensatedSum squares;
  for (const Sample& sample : samples) {
    count += 1;
    const double delta = sample.value - mean.Total();
    mean.Add(delta / count);
    squares.Add(delta * (sample.value - mean.Total()));
  }
  return squares.Total() / count;
}

bool StdvarOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  result = Variance(Of(input, window));
  return true;
}

bool StddevOverTime(const RangeInput& input, const Window& window, double& result, Scratch&) {
  result = std::sqrt(Variance(Of(input, window)));
  return true;
}

bool Resets(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  result = 0;
  for (std::size_t i = 1; i < samples.size(); ++i)
    if (samples[i].value < samples[i - 1].value) result += 1;
  return true;
}

bool Changes(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  result = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const double now = samples[i].value;
    const double before = samples[i - 1].value;
    if (now != before && !(std::isnan(now) && std::isnan(before))) result += 1;
  }
  return true;
}

struct Line {
  double slope;      // per second
  double intercept;  // at the time asked for
};

// Least squares.
Line Regression(Samples samples, std::int64_t at_ms) {
  CompensatedSum sum_x;
  CompensatedSum sum_y;
  CompensatedSum sum_xy;
  CompensatedSum sum_xx;
  bool constant = true;
  const double first = samples.front().value;
  for (const Sample& sample : samples) {
    if (sample.value != first) constant = false;
    const double x = Seconds(sample.time_ms - at_ms);
    sum_x.Add(x);
    sum_y.Add(sample.value);
    sum_xy.Add(x * sample.value);
    sum_xx.Add(x * x);
  }
  // Rounding would give a level line a slope.
  if (constant) return std::isinf(first) ? Line{kNan, kNan} : Line{0, first};
  const auto n = static_cast<double>(samples.size());
  const double x = sum_x.Total();
  const double y = sum_y.Total();
  const double covariance = sum_xy.Total() - x * y / n;
  const double variance = sum_xx.Total() - x * x / n;
  const double slope = covariance / variance;
  return {slope, y / n - slope * x / n};
}

bool Deriv(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  if (samples.size() < 2) return false;
  // Times near zero keep precision.
  result = Regression(samples, samples.front().time_ms).slope;
  return true;
}

bool PredictLinear(const RangeInput& input, const Window& window, double& result, Scratch&) {
  const Samples samples = Of(input, window);
  if (samples.size() < 2) return false;
  const Line line = Regression(samples, window.now_ms);
  result = line.slope * window.parameter + line.intercept;
  return true;
}

}  // namespace

RangeFunction RangeFunctionOf(Fn fn) {
  switch (fn) {
    case Fn::kRate:
      return Extrapolated<true, true>;
    case Fn::kIncrease:
      return Extrapolated<true, false>;
    case Fn::kDelta:
      return Extrapolated<false, false>;
    case Fn::kIrate:
      return LastChange<true>;
    case Fn::kIdelta:
      return LastChange<false>;
    case Fn::kSumOverTime:
      return SumOverTime;
    case Fn::kAvgOverTime:
      return AvgOverTime;
    case Fn::kCountOverTime:
      return CountOverTime;
    case Fn::kPresentOverTime:
      return PresentOverTime;
    case Fn::kMaxOverTime:
      return MaxOverTime;
    case Fn::kMinOverTime:
      return MinOverTime;
    case Fn::kFirstOverTime:
      return FirstOverTime;
    case Fn::kLastOverTime:
      return LastOverTime;
    case Fn::kQuantileOverTime:
      return QuantileOverTime;
    case Fn::kStdvarOverTime:
      return StdvarOverTime;
    case Fn::kStddevOverTime:
      return StddevOverTime;
    case Fn::kResets:
      return Resets;
    case Fn::kChanges:
      return Changes;
    case Fn::kDeriv:
      return Deriv;
    case Fn::kPredictLinear:
      return PredictLinear;
    default:
      CHECK(false, "only functions of ranges are asked for");
  }
}

bool NeedsResets(Fn fn) {
  return fn == Fn::kRate || fn == Fn::kIncrease;
}

}  // namespace enclave::observatory::promql
