// Incidents made from a seed: a random graph of services, requests through it as spans, log lines
// and series of metrics, and one fault of a chosen kind in one service. For properties of the
// engine that no pack of labelled incidents can show.
//
// Same options, same incident.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/rca/loaded_case.h"
#include "incident/freeze.h"
#include "rca/diagnosis.h"

namespace enclave::bench::rca {

struct SyntheticOptions {
  std::uint64_t seed = 1;
  std::size_t services = 20;
  std::size_t fan_out = 4;    // how many others a service calls, about
  std::size_t traces = 2000;  // over the whole window; about ten spans each
  std::size_t series_per_service = 6;
  enclave::rca::CauseKind fault = enclave::rca::CauseKind::kCpu;
  std::size_t faulty = 7;  // the service's number; 0 is where users enter
  // How services are called; by default "service-7".
  std::function<std::string(std::size_t)> name{};
  // Puts spans, lines and series in another order.
  bool shuffled = false;
  // Services that nobody calls, with healthy series of their own.
  std::size_t quiet = 0;
  // Durations as _milliseconds, sizes as _kilobytes, use as _percent.
  bool other_units = false;
};

struct SyntheticIncident {
  LoadedCase loaded{};
  std::vector<incident::KubernetesFact> facts{};
  std::vector<incident::Change> changes{};
  std::string cause{};  // the faulty service's name
  std::size_t lines = 0;
  std::size_t series = 0;
};

// The kinds that it can inject.
const std::vector<enclave::rca::CauseKind>& SyntheticKinds();

SyntheticIncident MakeIncident(const SyntheticOptions& options);

// What Freeze takes; `incident` outlives it.
incident::Sources SourcesOf(SyntheticIncident& incident);

}  // namespace enclave::bench::rca
