// enclave_sim_run: runs the simulated cluster until a number of steps held or an invariant broke.
#include <chrono>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/executor.h"
#include "base/log.h"
#include "sim/simulation.h"

namespace {

using enclave::sim::Report;

void Print(const Report& report, double wall_seconds, std::uint64_t runs, bool json) {
  const double rate = wall_seconds > 0 ? static_cast<double>(report.steps) / wall_seconds : 0;
  const auto virtual_seconds =
      std::chrono::duration_cast<std::chrono::seconds>(report.virtual_time).count();
  if (json) {
    nlohmann::json out{{"seed", report.seed},
                       {"runs", runs},
                       {"steps", report.steps},
                       {"changes", report.changes},
                       {"containers", report.containers},
                       {"rests", report.rests},
                       {"rollouts", report.rollouts},
                       {"virtualSeconds", virtual_seconds},
                       {"wallSeconds", wall_seconds},
                       {"stepsPerSecond", rate},
                       {"ok", !report.failure.has_value()}};
    if (report.failure) {
      out["failure"] = *report.failure;
      out["lastSteps"] = report.last_steps;
    }
    fmt::print("{}\n", out.dump());
    return;
  }
  fmt::print(
      "{} steps in {} runs, {:.1f} s ({:.0f} steps/s): {} changes, {} containers started, "
      "{} times at rest, {} calm rollouts, {} virtual hours\n",
      report.steps, runs, wall_seconds, rate, report.changes, report.containers, report.rests,
      report.rollouts, virtual_seconds / 3600);
  if (!report.failure) {
    fmt::print("no invariant broke\n");
    return;
  }
  for (const std::string& line : report.last_steps) fmt::print("  {}\n", line);
  fmt::print("seed {}: {}\n", report.seed, *report.failure);
}

// A line on stderr now and then: a million steps take the better part of an hour.
void ShowProgress(const Report& total, std::uint64_t steps, std::chrono::duration<double> wall) {
  const double rate = static_cast<double>(total.steps) / wall.count();
  fmt::print(stderr, "{} of {} steps, {:.0f} steps/s, {:.0f} min left\n", total.steps, steps, rate,
             static_cast<double>(steps - total.steps) / rate / 60);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Runs the control plane and a node in simulation, on virtual time, with random steps and "
      "faults\nfrom a seed, and checks the invariants after every step.\n\nExamples:\n"
      "  enclave_sim_run --steps 1000000\n"
      "  enclave_sim_run --seed 42 --runs 1      replay the run that broke"};
  std::uint64_t seed = 1;
  std::uint64_t steps = 100'000;
  std::uint64_t run_length = 2000;
  std::uint64_t runs = 0;
  std::string output = "text";
  app.add_option("--seed", seed, "Seed of the first run; the next have the numbers after it")
      ->capture_default_str();
  app.add_option("--steps", steps, "Steps in all")->capture_default_str();
  app.add_option("--run-length", run_length,
                 "Steps of one run, from an empty cluster to an empty one")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--runs", runs, "Number of runs, instead of --steps");
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  CLI11_PARSE(app, argc, argv);
  if (runs > 0) steps = runs * run_length;
  enclave::base::SetLogLevel(enclave::base::LogLevel::kError);

  const auto started = enclave::base::SystemClock().Now();
  Report total;
  std::uint64_t done = 0;
  std::uint64_t shown = 0;
  while (total.steps < steps && !total.failure) {
    const Report report = enclave::sim::RunSimulation(seed + done, run_length);
    ++done;
    total.seed = report.seed;
    total.steps += report.steps;
    total.changes += report.changes;
    total.containers += report.containers;
    total.rests += report.rests;
    total.rollouts += report.rollouts;
    total.virtual_time += report.virtual_time;
    total.failure = report.failure;
    total.last_steps = report.last_steps;
    if (constexpr std::uint64_t kBetweenLines = 20'000;
        total.steps < steps && total.steps - shown >= kBetweenLines) {
      shown = total.steps;
      ShowProgress(total, steps, enclave::base::SystemClock().Now() - started);
    }
  }
  const std::chrono::duration<double> wall = enclave::base::SystemClock().Now() - started;
  Print(total, wall.count(), done, output == "json");
  return total.failure ? 1 : 0;
}
