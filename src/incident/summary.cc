#include "incident/summary.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace enclave::incident {

namespace {

std::ptrdiff_t RankOf(const std::vector<double>& values, double q) {
  return std::lround(q * static_cast<double>(values.size() - 1));
}

}  // namespace

double SpreadAbout(double median, std::vector<double>& values) {
  for (double& value : values) value = std::abs(value - median);
  return 1.4826 * Quantile(values, 0.5);
}

double Quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto at = values.begin() + RankOf(values, q);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Summary Summarize(std::vector<double>& values) {
  Summary summary{.count = values.size()};
  if (values.empty()) return summary;
  summary.mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  summary.high = Quantile(values, 0.9);
  // What is less stands before it now.
  const auto median = values.begin() + RankOf(values, 0.5);
  std::nth_element(values.begin(), median, values.begin() + RankOf(values, 0.9) + 1);
  summary.median = *median;
  summary.spread = SpreadAbout(summary.median, values);
  return summary;
}

}  // namespace enclave::incident
