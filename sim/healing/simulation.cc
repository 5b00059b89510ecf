#include "sim/healing/simulation.h"

#include <filesystem>

#include "sim/healing/world.h"

namespace enclave::sim {

using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr int kRounds = 12;
// Longer than any incident may take once nothing goes wrong any more: approval and patience, for
// each action it may take, and people to mend what is left.
constexpr int kMostMinutes = 45;

void Settle(World& world) {
  world.SetTrouble(false);
  for (int i = 0; i < kMostMinutes * 2 && !world.Quiet() && !world.judge().failure(); ++i)
    world.RunFor(seconds(30));
}

void Live(World& world, bool noop) {
  base::Random& chance = world.chance();
  for (int round = 0; round < kRounds && !world.judge().failure(); ++round) {
    world.SetTrouble(chance.Below(4) != 0);
    const std::uint64_t what = chance.Below(10);
    if (noop || what < 2)
      world.FalseAlarm();
    else
      world.Break();
    if (chance.Below(2) == 0 && !world.judge().failure()) {
      world.RunFor(seconds(chance.Below(20)));
      if (noop)
        world.shop().Potter();
      else if (chance.Below(3) == 0)
        world.Break();
    }
    world.RunFor(seconds(20 + chance.Below(200)));
    if (!noop && chance.Below(3) == 0) Settle(world);
  }
  Settle(world);
}

}  // namespace

HealingReport RunHealing(std::uint64_t seed, const std::string& directory) {
  HealingReport report{.seed = seed};
  const bool noop = seed % 8 == 0;
  {
    World world(seed, directory);
    if (noop) world.judge().ExpectNothingTouched();
    Live(world, noop);
    world.judge().AtEnd();
    report.failure = world.judge().failure();
    report.last_events = world.judge().last_lines();
    report.actions = world.judge().actions();
    report.escalations = world.judge().escalations();
    report.deaths = world.death().deaths();
    report.noop_runs = noop ? 1 : 0;
    report.virtual_time = world.time().Now().time_since_epoch();
    for (const auto& [id, record] : world.judge().records()) {
      ++report.incidents;
      if (record.outcome == agent::Stage::kResolved) ++report.resolved;
      if (record.outcome == agent::Stage::kRolledBack) ++report.rolled_back;
      if (record.outcome == agent::Stage::kEscalated) ++report.escalated;
      for (const agent::Taken& taken : record.taken)
        if (taken.state == agent::Taken::State::kUndone) ++report.undone;
    }
  }
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator(directory, ignored))
    std::filesystem::remove(file.path(), ignored);
  return report;
}

}  // namespace enclave::sim
