#include "base/circuit_breaker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/simulated_executor.h"

namespace enclave::base {
namespace {

using State = CircuitBreaker::State;
using std::chrono::seconds;
using testing::ElementsAre;

class CircuitBreakerTest : public testing::Test {
 protected:
  void Calls(int successes, int failures) {
    for (int i = 0; i < successes; ++i) Call(true);
    for (int i = 0; i < failures; ++i) Call(false);
  }
  void Call(bool success) {
    if (breaker.Allow()) breaker.Report(success);
  }

  SimulatedExecutor time;
  std::vector<State> states;
  CircuitBreaker breaker{time,
                         {.minimum_calls = 5, .open_for = seconds(30), .probes_to_close = 2},
                         [this](State, State to) { states.push_back(to); }};
};

TEST_F(CircuitBreakerTest, OpensAboveTheRateAndNotAtIt) {
  Calls(8, 2);
  EXPECT_EQ(breaker.state(), State::kClosed) << "a fifth is not more than a fifth";
  Call(false);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_FALSE(breaker.Allow());
  EXPECT_THAT(states, ElementsAre(State::kOpen));
}

TEST_F(CircuitBreakerTest, FewCallsSayNothing) {
  Calls(0, 4);
  EXPECT_EQ(breaker.state(), State::kClosed);
  Call(false);
  EXPECT_EQ(breaker.state(), State::kOpen);
}

TEST_F(CircuitBreakerTest, FailuresAreForgottenAfterTheWindow) {
  Calls(0, 4);
  time.RunFor(seconds(60));
  Calls(4, 1);
  EXPECT_EQ(breaker.state(), State::kClosed);
}

TEST_F(CircuitBreakerTest, HalfOpenLetsOneThroughAndClosesAfterEnough) {
  Calls(0, 5);
  time.RunFor(seconds(30));
  EXPECT_TRUE(breaker.Allow());
  EXPECT_FALSE(breaker.Allow()) << "one at a time";
  breaker.Report(true);
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  Call(true);
  EXPECT_EQ(breaker.state(), State::kClosed);
  EXPECT_THAT(states, ElementsAre(State::kOpen, State::kHalfOpen, State::kClosed));
}

TEST_F(CircuitBreakerTest, AFailedProbeOpensAgain) {
  Calls(0, 5);
  time.RunFor(seconds(30));
  Call(false);
  EXPECT_EQ(breaker.state(), State::kOpen);
  time.RunFor(seconds(29));
  EXPECT_FALSE(breaker.Allow());
  time.RunFor(seconds(1));
  EXPECT_TRUE(breaker.Allow());
}

TEST_F(CircuitBreakerTest, AProbeThatNeverReportsMakesRoom) {
  Calls(0, 5);
  time.RunFor(seconds(30));
  EXPECT_TRUE(breaker.Allow());
  time.RunFor(seconds(30));
  EXPECT_TRUE(breaker.Allow());
}

}  // namespace
}  // namespace enclave::base
