#include "observatory/promql/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace enclave::observatory::promql {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
// Counts that are rates differ this much by rounding alone.
constexpr double kRounding = 1e-12;

void MergeEqualBounds(std::vector<Bucket>& buckets) {
  std::size_t last = 0;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    if (buckets[i].bound == buckets[last].bound)
      buckets[last].count += buckets[i].count;
    else
      buckets[++last] = buckets[i];
  }
  buckets.resize(last + 1);
}

bool NearlyEqual(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  const double sum = std::abs(a) + std::abs(b);
  const double difference = std::abs(a - b);
  if (a == 0 || b == 0 || sum < std::numeric_limits<double>::min())
    return difference < kRounding * std::numeric_limits<double>::min();
  return difference / std::min(sum, std::numeric_limits<double>::max()) < kRounding;
}

std::optional<MonotonicityFix> MakeMonotonic(std::vector<Bucket>& buckets) {
  std::optional<MonotonicityFix> fix;
  double before = buckets.front().count;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    Bucket& bucket = buckets[i];
    if (bucket.count == before) continue;
    if (NearlyEqual(before, bucket.count)) {
      bucket.count = before;
      continue;
    }
    if (bucket.count < before) {
      if (!fix) fix = MonotonicityFix{.first_bound = bucket.bound, .count = 1};
      fix->last_bound = bucket.bound;
      fix->greatest_difference = std::max(fix->greatest_difference, before - bucket.count);
      bucket.count = before;
      continue;
    }
    before = bucket.count;
  }
  return fix;
}

}  // namespace

double BucketQuantile(double q, std::vector<Bucket>& buckets, std::optional<MonotonicityFix>& fix) {
  if (std::isnan(q)) return kNone;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (buckets.empty() || buckets.back().bound != kInf) return kNone;
  MergeEqualBounds(buckets);
  fix = MakeMonotonic(buckets);
  if (buckets.size() < 2) return kNone;
  const double observations = buckets.back().count;
  if (observations == 0) return kNone;
  double rank = q * observations;
  const auto last = buckets.end() - 1;
  // Not lower_bound: of counts that are NaN none is reached, whatever the order.
  const auto at = std::partition_point(
      buckets.begin(), last, [&](const Bucket& bucket) { return !(bucket.count >= rank); });
  if (at == last) return (last - 1)->bound;
  if (at == buckets.begin() && at->bound <= 0) return at->bound;
  double start = 0;
  double count = at->count;
  if (at != buckets.begin()) {
    start = (at - 1)->bound;
    count -= (at - 1)->count;
    rank -= (at - 1)->count;
  }
  return start + (at->bound - start) * (rank / count);
}

double BucketFraction(double lower, double upper, std::vector<Bucket>& buckets) {
  if (buckets.empty() || buckets.back().bound != kInf) return kNone;
  MergeEqualBounds(buckets);
  const double total = buckets.back().count;
  if (total == 0 || std::isnan(lower) || std::isnan(upper)) return kNone;
  if (lower >= upper) return 0;

  // How many observations lie at or below `value`.
  const auto rank_of = [&](double value) {
    double below = 0;
    // Values are taken as positive unless a bound says otherwise.
    double start = buckets.front().bound <= 0 ? -kInf : 0;
    for (const Bucket& bucket : buckets) {
      if (start >= value) return below;
      if (bucket.bound > value) {
        // An endless bucket tells nothing about where its observations lie.
        const double rank = start == -kInf ? bucket.count
                                           : below + (bucket.count - below) * (value - start) /
                                                         (bucket.bound - start);
        return std::min(rank, total);
      }
      below = bucket.count;
      start = bucket.bound;
    }
    return total;
  };
  return (rank_of(upper) - rank_of(lower)) / total;
}

}  // namespace enclave::observatory::promql
