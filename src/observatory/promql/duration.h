// Durations as PromQL writes them: 1h30m, 500ms, 2w. A day has 24 hours, a week 7 days, a year 365
// days. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::observatory::promql {

// Milliseconds. Units stand from the greatest to the smallest, each at most once; "0" needs none.
base::Result<std::int64_t> ParseDurationMs(std::string_view text);

// The shortest spelling: 90000 is 1m30s; years and weeks only where they come out even. Negative
// ones get a minus in front.
std::string FormatDurationMs(std::int64_t duration_ms);

}  // namespace enclave::observatory::promql
