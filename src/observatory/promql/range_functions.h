// Functions of the samples in a range: rate, sum_over_time and their kin. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "observatory/promql/functions.h"
#include "telemetry/metric.h"

namespace enclave::observatory::promql {

// One series, once it is read and free of staleness markers.
struct RangeInput {
  std::span<const telemetry::Sample> samples;
  // Indices whose value is below the one before: where a counter began anew. For rate and increase.
  std::span<const std::uint32_t> resets;
};

// Samples [first, last) of it, those in (start_ms, end_ms].
struct Window {
  std::size_t first = 0;
  std::size_t last = 0;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t now_ms = 0;  // the step's time, apart from offset and @
  double parameter = 0;     // of quantile_over_time and predict_linear
};

// Nothing to say when false. `scratch` is reused memory.
using RangeFunction = bool (*)(const RangeInput& input, const Window& window, double& result,
                               std::vector<double>& scratch);

RangeFunction RangeFunctionOf(Fn fn);

// Whether it looks at RangeInput::resets.
bool NeedsResets(Fn fn);

}  // namespace enclave::observatory::promql
