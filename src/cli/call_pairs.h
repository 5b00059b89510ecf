// Who calls whom, from the spans of a stretch of time: each span whose parent is another service's.
//
// Blocks as the source does. At most kMostPairedSpans are held.
#pragma once

#include <vector>

#include "base/result.h"
#include "incident/context.h"
#include "telemetry/source.h"

namespace enclave::cli {

inline constexpr std::size_t kMostPairedSpans = 200'000;

base::Result<std::vector<incident::Call>> CallPairs(telemetry::TraceSource& traces,
                                                    telemetry::TimeRangeNs range);

}  // namespace enclave::cli
