#include "cluster/controllers/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/random.h"

namespace enclave::cluster {
namespace {

using kube::Json;
using testing::ElementsAre;

Json Deployment(int replicas, Json surge, Json unavailable) {
  return {{"spec",
           {{"replicas", replicas},
            {"strategy",
             {{"type", "RollingUpdate"},
              {"rollingUpdate",
               {{"maxSurge", std::move(surge)}, {"maxUnavailable", std::move(unavailable)}}}}}}}};
}

kube::ObjectPtr Set(const std::string& name, int replicas, int created, int most) {
  return std::make_shared<const kube::Object>(
      Json{{"metadata",
            {{"name", name},
             {"creationTimestamp", "2026-01-01T00:00:0" + std::to_string(created) + "Z"},
             {"annotations", {{kMaxReplicasAnnotation, std::to_string(most)}}}}},
           {"spec", {{"replicas", replicas}}}});
}

TEST(RolloutTest, SurgeRoundsUpAndUnavailableDown) {
  const RolloutBounds bounds = BoundsOf(Deployment(10, "25%", "25%"));
  EXPECT_EQ(bounds.max_surge, 3);
  EXPECT_EQ(bounds.max_unavailable, 2);
  EXPECT_EQ(bounds.MinAvailable(), 8);
}

TEST(RolloutTest, TheDefaultIsAQuarter) {
  const RolloutBounds bounds = BoundsOf({{"spec", {{"replicas", 4}}}});
  EXPECT_EQ(bounds.max_surge, 1);
  EXPECT_EQ(bounds.max_unavailable, 1);
}

TEST(RolloutTest, BothZeroStillMoves) {
  EXPECT_EQ(BoundsOf(Deployment(3, 0, 0)).max_unavailable, 1);
  EXPECT_EQ(BoundsOf(Deployment(3, "0%", "10%")).max_unavailable, 1);
}

TEST(RolloutTest, NeverMoreUnavailableThanThereAre) {
  EXPECT_EQ(BoundsOf(Deployment(2, 1, 5)).max_unavailable, 2);
  EXPECT_EQ(BoundsOf(Deployment(0, 1, 5)).MinAvailable(), 0);
}

TEST(RolloutTest, RecreateHasNoSurge) {
  const RolloutBounds bounds =
      BoundsOf({{"spec", {{"replicas", 3}, {"strategy", {{"type", "Recreate"}}}}}});
  EXPECT_FALSE(bounds.rolling);
  EXPECT_EQ(bounds.max_surge, 0);
  EXPECT_EQ(NewSetReplicas(bounds, 0, 0), 3);
}

TEST(RolloutTest, MalformedBoundsAreZero) {
  EXPECT_EQ(ResolveIntOrPercent("many", 10, true), 0);
  EXPECT_EQ(ResolveIntOrPercent("-5%", 10, true), 0);
  EXPECT_EQ(ResolveIntOrPercent(-5, 10, true), 0);
  EXPECT_EQ(ResolveIntOrPercent(true, 10, true), 0);
  EXPECT_EQ(ResolveIntOrPercent("99999999999999999999%", 10, true), 0);
}

TEST(RolloutTest, TheNewSetTakesWhatSurgeAllows) {
  const RolloutBounds bounds = BoundsOf(Deployment(10, 3, 2));
  EXPECT_EQ(NewSetReplicas(bounds, 10, 0), 3);   // 10 old
  EXPECT_EQ(NewSetReplicas(bounds, 13, 3), 3);   // full
  EXPECT_EQ(NewSetReplicas(bounds, 11, 3), 5);   // two old ones gone
  EXPECT_EQ(NewSetReplicas(bounds, 10, 9), 10);  // never past the wish
}

TEST(RolloutTest, AvailabilityCountsNoPodThatIsToGo) {
  EXPECT_EQ(AvailableOf({{"spec", {{"replicas", 2}}}, {"status", {{"availableReplicas", 5}}}}), 2);
}

TEST(RolloutTest, AScaleIsSharedInProportion) {
  // Kubernetes' own example: 10 replicas, surge 3, rollout stuck at 8 old and 5 new; scale to 15.
  const RolloutBounds bounds = BoundsOf(Deployment(15, 3, 2));
  EXPECT_THAT(ShareScale(bounds, {Set("old", 8, 1, 13), Set("new", 5, 2, 13)}, 13),
              ElementsAre(11, 7));
}

TEST(RolloutTest, ScaleToZeroTakesAll) {
  const RolloutBounds bounds = BoundsOf(Deployment(0, 1, 0));
  EXPECT_THAT(ShareScale(bounds, {Set("old", 3, 1, 5), Set("new", 1, 2, 5)}, 4), ElementsAre(0, 0));
}

TEST(RolloutTest, SharesAlwaysSumToWhatIsAllowed) {
  base::SeededRandom random(11);
  for (int round = 0; round < 20'000; ++round) {
    const int before = static_cast<int>(random.Below(20));
    const int after = static_cast<int>(random.Below(20));
    const RolloutBounds bounds = BoundsOf(Deployment(after, static_cast<int>(random.Below(4)), 1));
    std::vector<kube::ObjectPtr> sets;
    for (std::uint64_t i = 0; i <= random.Below(4); ++i) {
      sets.push_back(Set("s" + std::to_string(i), 1 + static_cast<int>(random.Below(10)),
                         static_cast<int>(i), before + static_cast<int>(random.Below(4))));
    }
    const std::vector<std::int64_t> sizes = ShareScale(bounds, sets, before);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      ASSERT_GE(sizes[i], 0);
      const std::int64_t old_size = ReplicasOf(sets[i]->json());
      // No set moves against the direction of the change.
      if (after + bounds.max_surge >= SumOfReplicas(sets) && after > 0) {
        ASSERT_GE(sizes[i], old_size);
      } else {
        ASSERT_LE(sizes[i], old_size);
      }
      sum += sizes[i];
    }
    ASSERT_EQ(sum, after > 0 ? after + bounds.max_surge : 0);
  }
}

}  // namespace
}  // namespace enclave::cluster
