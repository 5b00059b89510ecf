// What the series of a context say: those that moved, by how much, and when.
#pragma once

#include <cstdint>
#include <memory>

#include "incident/freeze.h"
#include "incident/intern.h"
#include "telemetry/workers.h"

namespace enclave::incident {

// Every series with an hour of history. Gather needs no onset, so that it can be done while others
// look for that; then Fill, once. One thread at a time; `metrics` (null: there is no source) and
// `question` outlive it.
class SeriesEvidence {
 public:
  SeriesEvidence(telemetry::MetricSource* metrics, const Question& question);
  ~SeriesEvidence();
  SeriesEvidence(const SeriesEvidence&) = delete;
  SeriesEvidence& operator=(const SeriesEvidence&) = delete;

  // Finds the series and reads the first of them.
  void Gather();
  // Reads the others; fills series, the most telling first, and golden signals, and what is
  // missing. `onset_ns` parts before from during.
  void Fill(std::int64_t onset_ns, const Bounds& bounds, telemetry::Workers* workers,
            Context& context);
  // The services that series name.
  const Interner& services() const;

 private:
  class Waves;
  std::unique_ptr<Waves> waves_;
};

}  // namespace enclave::incident
