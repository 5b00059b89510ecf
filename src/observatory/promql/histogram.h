// Quantiles and fractions of classic histograms: cumulative counts by upper bound. Internal.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "observatory/promql/annotations.h"

namespace enclave::observatory::promql {

struct Bucket {
  double bound = 0;  // inclusive
  double count = 0;  // of observations up to it
};

// Buckets are sorted by bound. Both merge those of equal bounds and change `buckets` to their
// needs. NaN when there is no bucket +Inf, or nothing was observed.
//
// The value below which a share `q` lies, interpolated within its bucket. Counts that go down where
// they must not are mended; what was more than rounding is told in `fix`.
double BucketQuantile(double q, std::vector<Bucket>& buckets, std::optional<MonotonicityFix>& fix);

// The share of observations in (lower, upper].
double BucketFraction(double lower, double upper, std::vector<Bucket>& buckets);

}  // namespace enclave::observatory::promql
