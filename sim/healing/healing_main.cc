// enclave_healing_run: runs the agent in simulation until so many incidents ended or an invariant
// broke.
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/executor.h"
#include "base/log.h"
#include "sim/healing/simulation.h"

int main(int argc, char** argv) {
  using enclave::sim::HealingReport;
  CLI::App app{
      "Runs the autonomous agent in simulation, on virtual time, with faults and deaths from a "
      "seed, and\nchecks the invariants.\n\nExamples:\n"
      "  enclave_healing_run --incidents 10000\n"
      "  enclave_healing_run --seed 42 --runs 1      replay the run that broke"};
  std::uint64_t seed = 1;
  std::uint64_t incidents = 1000;
  std::uint64_t runs = 0;
  // Memory rather than disk, where there is some: what is durable is not what is tested here.
  std::string state = std::filesystem::exists("/dev/shm")
                          ? "/dev/shm"
                          : std::filesystem::temp_directory_path().string();
  app.add_option("--seed", seed, "Seed of the first run; the next have the numbers after it")
      ->capture_default_str();
  app.add_option("--incidents", incidents, "Incidents in all")->capture_default_str();
  app.add_option("--runs", runs, "Number of runs, instead of --incidents");
  app.add_option("--state", state, "Where the ledgers are kept")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  // Above every level: what fails here fails on purpose.
  enclave::base::SetLogLevel(static_cast<enclave::base::LogLevel>(4));

  std::string directory = state + "/enclave-healing-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) {
    fmt::print(stderr, "cannot make {}: choose another --state\n", directory);
    return 1;
  }
  const auto started = enclave::base::SystemClock().Now();
  HealingReport total;
  std::uint64_t done = 0;
  while (!total.failure && (runs > 0 ? done < runs : total.incidents < incidents)) {
    const HealingReport report = enclave::sim::RunHealing(seed + done, directory);
    ++done;
    total.seed = report.seed;
    total.incidents += report.incidents;
    total.resolved += report.resolved;
    total.rolled_back += report.rolled_back;
    total.escalated += report.escalated;
    for (const auto& [why, count] : report.escalations) total.escalations[why] += count;
    total.actions += report.actions;
    total.undone += report.undone;
    total.deaths += report.deaths;
    total.noop_runs += report.noop_runs;
    total.virtual_time += report.virtual_time;
    total.failure = report.failure;
    total.last_events = report.last_events;
    if (done % 50 == 0) fmt::print(stderr, "{} runs, {} incidents\n", done, total.incidents);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  const std::chrono::duration<double> wall = enclave::base::SystemClock().Now() - started;
  fmt::print(
      "{} incidents in {} runs ({} of them quiet), {:.1f} s: {} resolved, {} rolled back, {} "
      "escalated; {} actions, {} undone; {} deaths of the agent; {} virtual hours\n",
      total.incidents, done, total.noop_runs, wall.count(), total.resolved, total.rolled_back,
      total.escalated, total.actions, total.undone, total.deaths,
      std::chrono::duration_cast<std::chrono::hours>(total.virtual_time).count());
  for (const auto& [why, count] : total.escalations)
    fmt::print("  escalated {:5}: {}\n", count, why);
  if (!total.failure) {
    fmt::print("no invariant broke\n");
    return 0;
  }
  for (const std::string& line : total.last_events) fmt::print("  {}\n", line);
  fmt::print("seed {}: {}\n", total.seed, *total.failure);
  return 1;
}
