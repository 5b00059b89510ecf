#include "base/simulated_executor.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace enclave::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

TEST(SimulatedExecutorTest, RunsByDueTimeThenByOrderOfPosting) {
  SimulatedExecutor executor;
  std::vector<int> order;
  executor.After(seconds(2), [&] { order.push_back(4); });
  executor.After(seconds(1), [&] { order.push_back(2); });
  executor.After(seconds(1), [&] { order.push_back(3); });
  executor.Post([&] { order.push_back(0); });
  executor.Post([&] { order.push_back(1); });
  while (executor.RunOne()) {
  }
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(executor.pending(), 0u);
}

TEST(SimulatedExecutorTest, TimeJumpsToTheTaskAndWallTimeFollows) {
  SimulatedExecutor executor(WallTime(seconds(100)));
  MonoTime seen{};
  executor.After(milliseconds(1500), [&] { seen = executor.Now(); });
  EXPECT_EQ(executor.NextDue(), MonoTime(milliseconds(1500)));
  ASSERT_TRUE(executor.RunOne());
  EXPECT_EQ(seen, MonoTime(milliseconds(1500)));
  EXPECT_EQ(executor.WallNow(), WallTime(milliseconds(101'500)));
  EXPECT_FALSE(executor.RunOne());
  EXPECT_EQ(executor.NextDue(), MonoTime::max());
}

TEST(SimulatedExecutorTest, RunForStopsAtItsEndAndRunsTasksPostedMeanwhile) {
  SimulatedExecutor executor;
  std::vector<int> order;
  executor.After(seconds(1), [&] {
    order.push_back(1);
    executor.After(seconds(1), [&] { order.push_back(2); });
    executor.After(seconds(3), [&] { order.push_back(3); });
  });
  executor.RunFor(seconds(2));
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_EQ(executor.Now(), MonoTime(seconds(2)));
  executor.RunFor(seconds(2));
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(SimulatedExecutorTest, CancelledTasksNeverRun) {
  SimulatedExecutor executor;
  int ran = 0;
  const auto first = executor.After(seconds(1), [&] { ++ran; });
  Executor::TimerId second = Executor::TimerId::kNone;
  second = executor.After(seconds(2), [&] { ++ran; });
  // Cancelled by another task that is due at the same time but was posted before.
  SimulatedExecutor::TimerId third = Executor::TimerId::kNone;
  executor.After(seconds(3), [&] { executor.Cancel(third); });
  third = executor.After(seconds(3), [&] { ++ran; });
  executor.Cancel(first);
  executor.RunFor(seconds(10));
  EXPECT_EQ(ran, 1);
  // Past, unknown and empty ids are ignored.
  executor.Cancel(second);
  executor.Cancel(first);
  executor.Cancel(Executor::TimerId::kNone);
  EXPECT_EQ(executor.pending(), 0u);
}

TEST(SimulatedExecutorTest, NegativeDelaysAreDueNow) {
  SimulatedExecutor executor;
  executor.RunFor(seconds(5));
  executor.After(seconds(-3), [] {});
  EXPECT_EQ(executor.NextDue(), MonoTime(seconds(5)));
  executor.RunOne();
  EXPECT_EQ(executor.Now(), MonoTime(seconds(5)));
}

}  // namespace
}  // namespace enclave::base
