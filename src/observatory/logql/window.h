// What the functions over unwrapped values make of one window. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "observatory/logql/ast.h"

namespace enclave::observatory::logql {

struct UnwrappedSample {
  std::int64_t time_ns;
  double value;
};

// `samples` are those in (end - range, end], in order, at least one. None: rate_counter of a single
// one. Source: Prometheus' functions of the same names, which Loki uses too.
std::optional<double> OverWindow(const RangeAggregation& range,
                                 std::span<const UnwrappedSample> samples, std::int64_t end_ns);

}  // namespace enclave::observatory::logql
