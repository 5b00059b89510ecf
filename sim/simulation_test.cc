#include "sim/simulation.h"

#include <gtest/gtest.h>

#include "base/log.h"

namespace enclave::sim {
namespace {

// 8,000 steps over all seeds; enclave_sim_run is for millions.
constexpr std::uint64_t kSteps = 1'000;

class SimulationTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override { base::SetLogLevel(base::LogLevel::kError); }
};

std::string Story(const Report& report) {
  std::string story = "seed " + std::to_string(report.seed) + ": " + report.failure.value_or("");
  for (const std::string& line : report.last_steps) story += "\n  " + line;
  return story;
}

TEST_P(SimulationTest, NoInvariantBreaks) {
  const Report report = RunSimulation(GetParam(), kSteps);
  EXPECT_FALSE(report.failure) << Story(report);
  EXPECT_EQ(report.steps, kSteps);
  EXPECT_GE(report.rests, 1u);
  EXPECT_GT(report.changes, kSteps);
  EXPECT_GT(report.containers, 10u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationTest, testing::Range<std::uint64_t>(1, 9));

TEST_F(SimulationTest, TheSameSeedIsTheSameRun) {
  const Report first = RunSimulation(99, 200);
  const Report second = RunSimulation(99, 200);
  EXPECT_FALSE(first.failure) << Story(first);
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(first.changes, second.changes);
  EXPECT_NE(first.digest, RunSimulation(100, 200).digest);
}

}  // namespace
}  // namespace enclave::sim
