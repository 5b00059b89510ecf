// How long the engine takes on a large cluster.
#pragma once

#include <cstddef>

#include "base/executor.h"
#include "base/result.h"

namespace enclave::bench::rca {

struct ScaleOptions {
  std::size_t services = 1000;
  std::size_t series = 100'000;
  std::size_t spans = 1'000'000;
};

struct ScaleResult {
  std::size_t services = 0;
  std::size_t series = 0;
  std::size_t spans = 0;
  std::size_t lines = 0;
  double freeze_ms = 0;
  double diagnose_ms = 0;
  bool right = false;  // the injected fault is first
};

// Makes a synthetic incident of that size and times Freeze and Diagnose on it, after one run to
// warm up.
base::Result<ScaleResult> MeasureScale(const ScaleOptions& options, base::Clock& clock);

}  // namespace enclave::bench::rca
