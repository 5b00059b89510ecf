#include "incident/summary.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace enclave::incident {

double SpreadAbout(double median, std::vector<double>& values) {
  for (double& value : values) value = std::abs(value - median);
  return 1.4826 * Quantile(values, 0.5);
}

double Quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto rank =
      static_cast<std::size_t>(std::lround(q * static_cast<double>(values.size() - 1)));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Summary Summarize(std::vector<double>& values) {
  Summary summary{.count = values.size()};
  if (values.empty()) return summary;
  summary.mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  summary.high = Quantile(values, 0.9);
  summary.median = Quantile(values, 0.5);
  summary.spread = SpreadAbout(summary.median, values);
  return summary;
}

}  // namespace enclave::incident
