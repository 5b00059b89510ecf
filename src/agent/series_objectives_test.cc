#include "agent/series_objectives.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/simulated_executor.h"
#include "telemetry/in_memory.h"

namespace enclave::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kObjectives = R"(
users: front
promises:
  - {name: availability, allowed: 0.001, burn: 10, bad: failed_10s, all: requests_10s}
  - name: latency
    allowed: 0.01
    burn: 10
    bad: slow_10s
    all: requests_10s
    lately: {bad: slow_1m, all: requests_1m, least: 5}
)";

ObjectivesPolicy Parsed(const char* text) {
  const auto node = telemetry::ParseConfig(text, "test");
  EXPECT_TRUE(node);
  const auto policy = ReadObjectivesPolicy(*node, "test");
  EXPECT_TRUE(policy) << policy.error().message();
  return *policy;
}

class SeriesObjectivesTest : public testing::Test {
 protected:
  std::int64_t NowMs() const {
    return std::chrono::duration_cast<milliseconds>(time.WallNow().time_since_epoch()).count();
  }
  void Count(const std::string& series, const std::string& service, double value) {
    telemetry::Labels labels;
    labels.Set(telemetry::kMetricName, series);
    labels.Set("job", "shop/" + service);
    metrics.Add(labels, {{NowMs(), value}});
  }
  // As the agent asks: the first question begins the reading that the second is answered with.
  base::Result<std::vector<Objective>> Ask() {
    (void)objectives.State(time.WallNow());
    time.RunFor(milliseconds(1));
    return objectives.State(time.WallNow());
  }
  Objective Named(const std::string& name) {
    const auto state = Ask();
    EXPECT_TRUE(state);
    const auto found = std::ranges::find(*state, name, &Objective::name);
    EXPECT_NE(found, state->end()) << name;
    return found == state->end() ? Objective{} : *found;
  }
  bool Has(const std::string& name) {
    const auto state = Ask();
    return state && std::ranges::find(*state, name, &Objective::name) != state->end();
  }

  base::SimulatedExecutor time;
  telemetry::InlineWorkers workers{time};
  telemetry::InMemoryMetrics metrics;
  SeriesObjectives objectives{time, workers, metrics, Parsed(kObjectives)};
};

TEST_F(SeriesObjectivesTest, NothingIsKnownBeforeTheFirstReading) {
  EXPECT_FALSE(objectives.State(time.WallNow()));
}

TEST_F(SeriesObjectivesTest, AShareAboveWhatMayBurnIsMissed) {
  Count("requests_10s", "front", 100);
  Count("failed_10s", "front", 2);
  Count("requests_10s", "cart", 1000);
  Count("failed_10s", "cart", 2);
  const Objective front = Named("front availability");
  EXPECT_FALSE(front.well);
  EXPECT_EQ(front.service, "front");
  EXPECT_DOUBLE_EQ(front.bad_ratio, 0.02);
  EXPECT_TRUE(Named("cart availability").well) << "0.2 % are not ten times 0.1 %";
}

TEST_F(SeriesObjectivesTest, TheLongerWindowHasToAgree) {
  Count("requests_10s", "front", 5);
  Count("slow_10s", "front", 2);
  Count("requests_1m", "front", 40);
  Count("slow_1m", "front", 4);
  EXPECT_TRUE(Named("front latency").well) << "four are fewer than five";
  time.RunFor(seconds(1));
  Count("requests_10s", "front", 5);
  Count("slow_10s", "front", 2);
  Count("requests_1m", "front", 40);
  Count("slow_1m", "front", 6);
  EXPECT_FALSE(Named("front latency").well);
}

TEST_F(SeriesObjectivesTest, WhoIsAskedNothingKeepsItsStateForAWhile) {
  Count("requests_10s", "front", 3);
  Count("failed_10s", "front", 3);
  EXPECT_FALSE(Named("front availability").well);
  for (int i = 0; i < 100; ++i) {
    time.RunFor(seconds(1));
    Count("requests_10s", "front", 0);
    Count("failed_10s", "front", 0);
  }
  EXPECT_FALSE(Named("front availability").well) << "nobody has seen it succeed";
  EXPECT_GE(Named("front availability").unasked, seconds(100));
  time.RunFor(seconds(1));
  Count("requests_10s", "front", 1);
  Count("failed_10s", "front", 0);
  EXPECT_TRUE(Named("front availability").well);
  EXPECT_EQ(Named("front availability").unasked, seconds(0));
  time.RunFor(SeriesObjectives::kQuiet + seconds(5));
  Count("requests_10s", "cart", 1);
  EXPECT_FALSE(Has("front availability")) << "too long ago to say anything";
}

TEST_F(SeriesObjectivesTest, AnOldReadingIsNoAnswer) {
  Count("requests_10s", "front", 3);
  ASSERT_TRUE(Ask());
  time.RunFor(SeriesObjectives::kStale + seconds(1));
  EXPECT_FALSE(objectives.State(time.WallNow()));
}

TEST_F(SeriesObjectivesTest, WhatUsersFeltAddsUpOverTheWindows) {
  // It opens when three requests had failed already.
  Count("requests_10s", "front", 20);
  Count("failed_10s", "front", 3);
  const std::int64_t from_ns = time.WallNow().time_since_epoch().count();
  for (int second = 1; second <= 30; ++second) {
    time.RunFor(seconds(1));
    Count("requests_10s", "front", 20);
    Count("failed_10s", "front", 5);
    Count("failed_10s", "cart", 7);
  }
  const auto felt = objectives.Felt(from_ns, time.WallNow().time_since_epoch().count());
  ASSERT_TRUE(felt);
  EXPECT_DOUBLE_EQ(felt->users, 18)
      << "three, and three windows of five; the cart's are not users'";
  EXPECT_DOUBLE_EQ(felt->requests, 80);
  EXPECT_GT(felt->budget_spent, 0);
}

TEST_F(SeriesObjectivesTest, ARequestThatWaitsUntilItFailsIsFeltOnce) {
  const std::int64_t from_ns = time.WallNow().time_since_epoch().count();
  Count("requests_10s", "front", 20);
  Count("failed_10s", "front", 15);
  Count("slow_10s", "front", 20);
  const auto felt = objectives.Felt(from_ns, from_ns + 1'000'000'000);
  ASSERT_TRUE(felt);
  EXPECT_DOUBLE_EQ(felt->users, 20);
  EXPECT_DOUBLE_EQ(felt->requests, 20);
}

TEST(ObjectivesPolicyTest, MistakesAreNamedWithTheirLine) {
  for (const auto& [text, why] :
       {std::pair{"promises:\n  - {name: a, bad: x}", "2"},
        std::pair{"promises:\n  - {name: a, bad: x, all: y, allowed: 2}", "share"},
        std::pair{"window: 1ms\n", "window"}, std::pair{"service: x\n", "service"},
        std::pair{"promises:\n  - {name: a, bad: x, all: y, burn: -1}", "number"}}) {
    const auto node = telemetry::ParseConfig(text, "file");
    ASSERT_TRUE(node);
    const auto policy = ReadObjectivesPolicy(*node, "file");
    ASSERT_FALSE(policy) << text;
    EXPECT_NE(policy.error().message().find(why), std::string::npos) << policy.error().message();
    EXPECT_TRUE(policy.error().message().starts_with("file:")) << policy.error().message();
  }
}

}  // namespace
}  // namespace enclave::agent
