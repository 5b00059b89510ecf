#include "base/retry.h"

#include <gtest/gtest.h>

namespace enclave::base {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RetryTest, DoublesUpToTheBoundAndGivesUp) {
  SeededRandom random(1);
  const RetryPolicy policy{.base_delay = seconds(1),
                           .factor = 2,
                           .max_delay = seconds(5),
                           .jitter = 0,
                           .max_attempts = 4};
  EXPECT_EQ(RetryDelay(policy, 1, random), seconds(1));
  EXPECT_EQ(RetryDelay(policy, 2, random), seconds(2));
  EXPECT_EQ(RetryDelay(policy, 3, random), seconds(4));
  EXPECT_EQ(RetryDelay(policy, 4, random), seconds(5));
  EXPECT_EQ(RetryDelay(policy, 5, random), std::nullopt);
}

TEST(RetryTest, LanguageModelCallsFollowTheSpecification) {
  SeededRandom random(2);
  Duration expected = seconds(2);
  for (int attempt = 1; attempt <= 5; ++attempt, expected *= 2) {
    for (int draw = 0; draw < 200; ++draw) {
      const auto delay = RetryDelay(kLanguageModelRetry, attempt, random);
      ASSERT_TRUE(delay);
      EXPECT_GE(*delay, expected * 9 / 10);
      EXPECT_LE(*delay, expected * 11 / 10);
    }
  }
  EXPECT_FALSE(RetryDelay(kLanguageModelRetry, 6, random));
}

TEST(RetryTest, JitterSpreadsOverItsWholeWidth) {
  SeededRandom random(3);
  const RetryPolicy policy{.base_delay = milliseconds(1000), .jitter = 0.5};
  Duration least = Duration::max();
  Duration most = Duration::min();
  for (int draw = 0; draw < 1000; ++draw) {
    const Duration delay = *RetryDelay(policy, 1, random);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_LT(least, milliseconds(520));
  EXPECT_GT(most, milliseconds(1480));
}

TEST(RetryTest, TheSameSeedGivesTheSameDelays) {
  SeededRandom one(4);
  SeededRandom other(4);
  for (int attempt = 1; attempt <= 5; ++attempt) {
    EXPECT_EQ(RetryDelay(kLanguageModelRetry, attempt, one),
              RetryDelay(kLanguageModelRetry, attempt, other));
  }
}

TEST(RetryTest, HugeAttemptsDoNotOverflow) {
  SeededRandom random(5);
  RetryPolicy policy{.jitter = 0, .max_attempts = 1'000'000'000};
  policy.factor = 10;
  EXPECT_EQ(RetryDelay(policy, 1'000'000'000, random), policy.max_delay);
}

}  // namespace
}  // namespace enclave::base
