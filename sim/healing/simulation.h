// One run of the agent in simulation: a world from a seed, broken again and again, and the
// invariants of judge.h held over all of it.
//
// One seed in eight is a quiet one: rollouts, restarts, pods that go, alerts that flap, and every
// trouble on the way; in it nothing may be touched.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"

namespace enclave::sim {

struct HealingReport {
  std::uint64_t seed = 0;
  std::uint64_t incidents = 0;
  std::uint64_t resolved = 0;
  std::uint64_t rolled_back = 0;
  std::uint64_t escalated = 0;
  std::uint64_t actions = 0;
  std::uint64_t undone = 0;
  std::uint64_t deaths = 0;
  std::uint64_t noop_runs = 0;
  std::map<std::string, std::size_t> escalations{};  // by why
  base::Duration virtual_time{};
  std::optional<std::string> failure{};
  std::vector<std::string> last_events{};
};

// `directory` exists, is empty and is left empty.
HealingReport RunHealing(std::uint64_t seed, const std::string& directory);

}  // namespace enclave::sim
