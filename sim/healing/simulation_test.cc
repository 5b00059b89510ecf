#include "sim/healing/simulation.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/log.h"

namespace enclave::sim {
namespace {

class HealingTest : public testing::Test {
 protected:
  void SetUp() override {
    // Above every level: what fails here fails on purpose.
    base::SetLogLevel(static_cast<base::LogLevel>(4));
    directory = (std::filesystem::temp_directory_path() / "enclave-healing-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  HealingReport Run(std::uint64_t seed) {
    HealingReport report = RunHealing(seed, directory);
    EXPECT_FALSE(report.failure) << "seed " << seed << ": " << *report.failure;
    return report;
  }
  std::string directory;
};

TEST_F(HealingTest, InvariantsHoldThroughFaultsAndDeaths) {
  HealingReport total;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const HealingReport report = Run(seed);
    total.incidents += report.incidents;
    total.resolved += report.resolved;
    total.actions += report.actions;
    total.deaths += report.deaths;
  }
  // The simulation really simulates: things break, are repaired, and the agent dies now and then.
  EXPECT_GT(total.incidents, 20u);
  EXPECT_GT(total.resolved, 5u);
  EXPECT_GT(total.actions, 10u);
  EXPECT_GT(total.deaths, 5u);
}

TEST_F(HealingTest, NothingIsTouchedWhereNothingIsWrong) {
  for (const std::uint64_t seed : {8u, 16u}) {
    const HealingReport report = Run(seed);
    EXPECT_EQ(report.actions, 0u);
    EXPECT_GT(report.incidents, 0u) << "alarms were raised";
  }
}

TEST_F(HealingTest, OneSeedIsOneStory) {
  const HealingReport once = Run(3);
  const HealingReport again = Run(3);
  EXPECT_EQ(once.last_events, again.last_events);
  EXPECT_EQ(once.virtual_time, again.virtual_time);
}

}  // namespace
}  // namespace enclave::sim
