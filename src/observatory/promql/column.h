// The engine's working form of values: one number for each step of a query. Internal.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "telemetry/labels.h"
#include "telemetry/metric.h"

namespace enclave::observatory::promql {

// Where a series has no value at a step. The staleness marker never gets past a selector and no
// arithmetic makes it (it is a signalling NaN), so its bits are free to mean this.
inline constexpr double kAbsent = std::bit_cast<double>(telemetry::kStaleBits);
inline bool Present(double value) {
  return std::bit_cast<std::uint64_t>(value) != telemetry::kStaleBits;
}

using Column = std::vector<double>;

// The steps of an evaluation.
struct Grid {
  std::int64_t start_ms = 0;
  std::int64_t step_ms = 1;
  std::size_t count = 0;

  std::int64_t at(std::size_t step) const {
    return start_ms + static_cast<std::int64_t>(step) * step_ms;
  }
  std::int64_t last() const { return count == 0 ? start_ms : at(count - 1); }
};

struct Series {
  telemetry::Labels labels;
  // The metric's name goes at the end of the query (so that label_replace and grouping by name
  // still see it).
  bool drop_name = false;
  Column values{};  // as many as the grid has steps
};
using Matrix = std::vector<Series>;

inline bool AnyPresent(const Column& column) {
  for (const double value : column)
    if (Present(value)) return true;
  return false;
}

// Compensated summation after Neumaier: `sum` + `rest` is more exact than a sum alone.
struct CompensatedSum {
  double sum = 0;
  double rest = 0;

  void Add(double value);
  double Total() const;
};

inline void CompensatedSum::Add(double value) {
  const double total = sum + value;
  if (total - total != 0) {  // infinite or NaN: there is nothing to compensate
    rest = 0;
  } else if ((sum < 0 ? -sum : sum) >= (value < 0 ? -value : value)) {
    rest += (sum - total) + value;
  } else {
    rest += (value - total) + sum;
  }
  sum = total;
}
inline double CompensatedSum::Total() const {
  return sum + rest;
}

// An average that stays finite when the sum does not.
class CompensatedMean {
 public:
  void Add(double value);
  void Merge(const CompensatedMean& other);
  double Mean() const;
  bool empty() const { return count_ == 0; }

 private:
  CompensatedSum sum_;  // or, once it would overflow, the mean itself
  double count_ = 0;
  bool incremental_ = false;
};

// Mean and squared deviations after Welford.
struct Deviation {
  double mean = 0;
  double squares = 0;
  double count = 0;

  void Add(double value);
  void Merge(const Deviation& other);
};

// The q-quantile with linear interpolation, NaN of nothing. Reorders `values`.
double Quantile(double q, std::vector<double>& values);

// Numbers below NaN, as sorting and ranking want it: NaN is the last whichever the direction.
bool BeforeAscending(double a, double b);
bool BeforeDescending(double a, double b);

}  // namespace enclave::observatory::promql
