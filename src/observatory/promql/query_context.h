// What all parts of one running query share: bounds, cancellation, helpers in threads. Internal.
//
// Thread safety: Check, Charge and Place may be called from any of the query's threads; notes only
// from the one that runs the query.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/promql/annotations.h"
#include "observatory/promql/column.h"
#include "observatory/promql/engine.h"
#include "telemetry/source.h"

namespace enclave::observatory::promql {

struct QueryContext {
  QueryContext(telemetry::MetricSource& metrics, const EngineOptions& engine_options,
               const base::Clock& at, std::atomic<std::size_t>& workers, std::string_view text,
               Grid steps, std::stop_token stop_token)
      : source(metrics),
        options(engine_options),
        clock(at),
        extra_workers_busy(workers),
        query(text),
        grid(steps),
        stop(std::move(stop_token)),
        deadline(at.Now() + engine_options.timeout) {}

  // Whether the query may go on.
  base::Result<> Check() const;
  // Accounts for values that are kept until the query ends.
  base::Result<> Charge(std::size_t values);
  base::Result<> TooManySamples() const;
  std::string Place(const Expr& expr) const { return PlaceOf(query, expr.extent.start); }

  telemetry::MetricSource& source;
  const EngineOptions& options;
  const base::Clock& clock;
  std::atomic<std::size_t>& extra_workers_busy;
  const std::string_view query;
  const Grid grid;  // of the query as a whole, which @ start() and @ end() mean
  const std::stop_token stop;
  const base::MonoTime deadline;
  std::atomic<std::size_t> values = 0;
  Annotations notes;
};

}  // namespace enclave::observatory::promql
