#include "incident/rate_change.h"

#include <gtest/gtest.h>

#include <cmath>

namespace enclave::incident {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(SignedLogLikelihoodRatioTest, FollowsTheGTest) {
  // By hand: 5 of 10 against 0 of 10; 10 ln 2 − (pooled 5 of 20) as log likelihoods.
  const double at_best = 5 * std::log(0.5) * 2;
  const double pooled = 5 * std::log(0.25) + 15 * std::log(0.75);
  EXPECT_NEAR(SignedLogLikelihoodRatio({5, 10}, {0, 10}), -(at_best - pooled), 1e-9);
  EXPECT_NEAR(SignedLogLikelihoodRatio({0, 10}, {5, 10}), at_best - pooled, 1e-9);
}

TEST(SignedLogLikelihoodRatioTest, SaysNothingWithoutChances) {
  EXPECT_EQ(SignedLogLikelihoodRatio({0, 0}, {5, 10}), 0);
  EXPECT_EQ(SignedLogLikelihoodRatio({5, 10}, {0, 0}), 0);
}

TEST(SignedLogLikelihoodRatioTest, SaysNothingOfEqualShares) {
  EXPECT_NEAR(SignedLogLikelihoodRatio({5, 10}, {50, 100}), 0, 1e-9);
}

TEST(TimelineTest, PutsNormalStretchesIntoTheFirstBin) {
  const Timeline timeline({{0, 10 * kSecond}}, {100 * kSecond, 220 * kSecond}, 160 * kSecond);
  EXPECT_EQ(timeline.BinOf(5 * kSecond), 0U);
  EXPECT_EQ(timeline.BinOf(50 * kSecond), Timeline::kOutside);
  EXPECT_EQ(timeline.BinOf(100 * kSecond), 1U);
  EXPECT_EQ(timeline.BinOf(104 * kSecond), 1U);
  EXPECT_EQ(timeline.BinOf(105 * kSecond), 2U);
  EXPECT_EQ(timeline.BinOf(220 * kSecond), Timeline::kOutside);
  EXPECT_EQ(timeline.StartOf(2), 105 * kSecond);
}

TEST(TimelineTest, KeepsTheNumberOfBinsBounded) {
  const Timeline timeline({}, {0, 86'400 * kSecond}, 80'000 * kSecond);
  EXPECT_LE(timeline.bins(), Timeline::kMostBins + 2);
  EXPECT_LT(timeline.BinOf(86'399 * kSecond), timeline.bins());
}

TEST(OnsetVoteTest, FindsWhereTheShareChanged) {
  const Timeline timeline({}, {0, 300 * kSecond}, 150 * kSecond);
  OnsetVote votes(timeline);
  std::vector<Tally> bins(timeline.bins());
  for (std::uint32_t bin = 1; bin < timeline.bins(); ++bin)
    bins[bin] = {.taken = timeline.StartOf(bin) >= 170 * kSecond ? 5U : 0U, .chances = 6};
  votes.Add(bins, OnsetVote::Direction::kRise);
  EXPECT_EQ(timeline.StartOf(votes.Best().agreed), 170 * kSecond);
  EXPECT_GT(votes.score(), 20);
}

TEST(OnsetVoteTest, WithoutEvidenceTakesTheMiddle) {
  const Timeline timeline({}, {0, 300 * kSecond}, 150 * kSecond);
  const OnsetVote votes(timeline);
  EXPECT_GE(votes.Best().agreed, timeline.first_onset());
  EXPECT_LE(votes.Best().agreed, timeline.last_onset());
  EXPECT_EQ(votes.score(), 0);
}

}  // namespace
}  // namespace enclave::incident
