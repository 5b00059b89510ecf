#include "observatory/promql/column.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace enclave::observatory::promql {

void CompensatedMean::Add(double value) {
  count_ += 1;
  if (count_ == 1) {
    sum_ = {value, 0};
    return;
  }
  if (!incremental_) {
    CompensatedSum next = sum_;
    next.Add(value);
    if (!std::isinf(next.sum)) {
      sum_ = next;
      return;
    }
    incremental_ = true;
    sum_.sum /= count_ - 1;
    sum_.rest /= count_ - 1;
  }
  const double share = (count_ - 1) / count_;
  sum_.sum *= share;
  sum_.rest *= share;
  sum_.Add(value / count_);
}

void CompensatedMean::Merge(const CompensatedMean& other) {
  if (other.count_ == 0) return;
  if (count_ == 0) {
    *this = other;
    return;
  }
  if (!incremental_ && !other.incremental_) {
    CompensatedSum next = sum_;
    next.Add(other.sum_.sum);
    next.rest += other.sum_.rest;
    if (!std::isinf(next.sum)) {
      sum_ = next;
      count_ += other.count_;
      return;
    }
  }
  const double total = count_ + other.count_;
  CompensatedSum merged{Mean() * (count_ / total), 0};
  merged.Add(other.Mean() * (other.count_ / total));
  sum_ = merged;
  count_ = total;
  incremental_ = true;
}

double CompensatedMean::Mean() const {
  return incremental_ ? sum_.sum + sum_.rest : sum_.sum / count_ + sum_.rest / count_;
}

void Deviation::Add(double value) {
  count += 1;
  if (count == 1) {
    mean = value;
    squares = std::isfinite(value) ? 0 : std::numeric_limits<double>::quiet_NaN();
    return;
  }
  const double delta = value - mean;
  mean += delta / count;
  squares += delta * (value - mean);
}

void Deviation::Merge(const Deviation& other) {
  if (other.count == 0) return;
  if (count == 0) {
    *this = other;
    return;
  }
  const double total = count + other.count;
  const double delta = other.mean - mean;
  mean += delta * (other.count / total);
  squares += other.squares + delta * delta * (count * other.count / total);
  count = total;
}

double Quantile(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  // NaN is the least here.
  std::ranges::sort(values,
                    [](double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; });
  const double rank = q * static_cast<double>(values.size() - 1);
  const double floor = std::floor(rank);
  const auto lower = static_cast<std::size_t>(floor);
  const std::size_t upper = std::min(lower + 1, values.size() - 1);
  const double weight = rank - floor;
  return values[lower] * (1 - weight) + values[upper] * weight;
}

bool BeforeAscending(double a, double b) {
  return std::isnan(b) ? !std::isnan(a) : a < b;
}

bool BeforeDescending(double a, double b) {
  return std::isnan(b) ? !std::isnan(a) : a > b;
}

}  // namespace enclave::observatory::promql
