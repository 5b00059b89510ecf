// What the series of a context say: those that moved, by how much, and when.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "incident/freeze.h"
#include "incident/intern.h"
#include "telemetry/workers.h"

namespace enclave::incident {

// Reads every series with an hour of history and appends those that moved to `context.series`, the
// most telling first. `onset_ns` parts before from during. Services get their numbers.
base::Result<> FillSeries(telemetry::MetricSource& metrics, const Question& question,
                          std::int64_t onset_ns, const Bounds& bounds, telemetry::Workers* workers,
                          Interner& services, Context& context);

}  // namespace enclave::incident
