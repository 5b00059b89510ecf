// A run of the simulated cluster from a seed: random steps, invariants after each, and from time to
// time a rest in which everything must become what it should be. The same seed gives the same run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"

namespace enclave::sim {

struct Report {
  std::uint64_t seed = 0;
  std::uint64_t steps = 0;
  std::uint64_t changes = 0;     // committed to the store
  std::uint64_t containers = 0;  // started
  std::uint64_t rests = 0;       // times that observed became equal to desired
  std::uint64_t rollouts = 0;    // calm ones, under the strict bounds
  base::Duration virtual_time{};
  std::uint64_t digest = 0;            // of all changes: equal for equal runs
  std::optional<std::string> failure;  // the first broken invariant
  std::vector<std::string> last_steps;
};

// One cluster from its first start until everything in it is deleted again.
Report RunSimulation(std::uint64_t seed, std::uint64_t steps);

}  // namespace enclave::sim
