// Freezing: from the telemetry ports to an Incident Context.
//
// One pass over the spans, lines and samples of the window; linear in their number. The sources are
// only read. Same input, same context, bit for bit: nothing depends on clocks, chance or hash
// order.
#pragma once

#include <vector>

#include "base/result.h"
#include "incident/context.h"
#include "telemetry/source.h"
#include "telemetry/workers.h"

namespace enclave::incident {

// Any may be null or empty: what is missing is named in the context.
struct Sources {
  telemetry::MetricSource* metrics = nullptr;
  telemetry::LogSource* logs = nullptr;
  telemetry::TraceSource* traces = nullptr;
  std::vector<KubernetesFact> facts{};
  std::vector<Change> changes{};
  std::vector<Call> topology{};  // beside the calls that spans show
};

struct Question {
  Alert alert{};
  std::vector<Window> normal{};  // stretches known to be free of faults; may be none
  Window available{};            // what to look at; ends now
  // A stretch just before `available` in which something was wrong that was repaired since: it is
  // neither normal nor asked about, and what is still wrong was so from its end on.
  Window repaired{};
  bool after_repair() const { return repaired.to_ns > repaired.from_ns; }
  bool WasRepaired(std::int64_t time_ns) const {
    return time_ns >= repaired.from_ns && time_ns < repaired.to_ns;
  }
};

// Most items of each kind that a context keeps.
struct Bounds {
  std::size_t items = 200;
  std::size_t services = 5000;
  std::size_t calls = 20'000;
  std::size_t points = 64;  // of one series
};

// An error only when the question makes no sense (an empty window); a source that fails is missing.
// Threads of `workers` help where there are any; the context is the same without.
base::Result<Context> Freeze(const Sources& sources, const Question& question,
                             const Bounds& bounds = {}, telemetry::Workers* workers = nullptr);

}  // namespace enclave::incident
