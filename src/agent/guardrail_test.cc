#include "agent/guardrail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/test_support.h"

namespace enclave::agent {
namespace {

using RulingKind = Ruling::Kind;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr std::int64_t kNow = 1'000'000'000'000'000'000;

std::int64_t Ago(base::Duration span) {
  return kNow - span.count();
}

class GuardrailTest : public testing::Test {
 protected:
  Ruling Ask() { return Judge(policy, action, "inc-1", facts, past, kNow); }

  Policy policy = TestPolicy();
  Action action{.id = "inc-1-a1",
                .kind = ActionKind::kRestart,
                .ns = "shop",
                .workload = "cart",
                .confidence = 0.9};
  ClusterFacts facts{.pods_in_namespace = 10, .pods_touched = 2, .desired = 2, .ready = 2};
  std::vector<PastAction> past;
};

TEST_F(GuardrailTest, AllowsWhatThePolicyAllows) {
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
}

TEST_F(GuardrailTest, OnlyNamedNamespacesAndActions) {
  action.ns = "kube-system";
  EXPECT_THAT(Ask().why, HasSubstr("kube-system"));
  action.ns = "shop";
  action.steps = {{.resource = "configmaps", .ns = "other"}};
  EXPECT_EQ(Ask().kind, RulingKind::kRefused) << "no step may leave the namespace";
  action.steps.clear();
  action.kind = ActionKind::kCordon;
  EXPECT_THAT(Ask().why, HasSubstr("does not allow cordon"));
}

TEST_F(GuardrailTest, BlastRadius) {
  facts.pods_touched = 5;
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
  facts.pods_touched = 6;
  EXPECT_EQ(Ask().kind, RulingKind::kRefused);
}

TEST_F(GuardrailTest, ReadyPodsStayAboveTheMinimum) {
  action.kind = ActionKind::kDeletePod;
  facts = {.pods_in_namespace = 10,
           .pods_touched = 1,
           .desired = 4,
           .ready = 2,
           .touches_ready_pod = true};
  EXPECT_EQ(Ask().kind, RulingKind::kRefused) << "half of four have to stay";
  facts.touches_ready_pod = false;
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed) << "a pod that is not ready costs nothing";
  facts.touches_ready_pod = true;
  facts.ready = 3;
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
  facts.budget_refuses = "cart-budget";
  EXPECT_EQ(Ask().kind, RulingKind::kWait);
}

TEST_F(GuardrailTest, NoRolloutThatTakesAllPodsAtOnce) {
  facts.one_by_one = false;
  EXPECT_EQ(Ask().kind, RulingKind::kRefused);
  facts.ready = 0;
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed) << "nothing is lost";
}

TEST_F(GuardrailTest, CooldownOfTheWorkload) {
  past = {{.subject = "shop/cart", .incident = "inc-0", .started_ns = Ago(seconds(9))}};
  EXPECT_EQ(Ask().kind, RulingKind::kWait);
  past[0].started_ns = Ago(seconds(10));
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
  past = {{.subject = "shop/mail", .incident = "inc-0", .started_ns = Ago(seconds(1))}};
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed) << "of another workload";
}

TEST_F(GuardrailTest, WhatHasJustBegunDoesNotBeginAnew) {
  facts.began_ns = Ago(seconds(9));
  EXPECT_EQ(Ask().kind, RulingKind::kWait);
  facts.began_ns = Ago(seconds(10));
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
}

TEST_F(GuardrailTest, OneAtATime) {
  past = {{.subject = "shop/cart",
           .incident = "inc-0",
           .started_ns = Ago(minutes(5)),
           .under_way = true}};
  EXPECT_EQ(Ask().kind, RulingKind::kWait);
  past[0].subject = "shop/mail";
  EXPECT_EQ(Ask().kind, RulingKind::kWait) << "max_at_once is 1";
  policy.guardrail.max_at_once = 2;
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
}

TEST_F(GuardrailTest, CountsPerIncidentAndHour) {
  for (int i = 0; i < 3; ++i)
    past.push_back({.subject = "shop/mail", .incident = "inc-1", .started_ns = Ago(minutes(1))});
  EXPECT_THAT(Ask().why, HasSubstr("enough"));
  for (PastAction& one : past) one.incident = "inc-0";
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
  policy.guardrail.per_hour = 3;
  EXPECT_EQ(Ask().kind, RulingKind::kRefused);
  for (PastAction& one : past) one.started_ns = Ago(minutes(61));
  EXPECT_EQ(Ask().kind, RulingKind::kAllowed);
}

TEST_F(GuardrailTest, AGuessIsNotActedUpon) {
  action.confidence = 0.05;
  EXPECT_EQ(Ask().kind, RulingKind::kRefused);
}

TEST_F(GuardrailTest, AnUndoLeavesPodsBehind) {
  ClusterFacts scaled{.desired = 1, .ready = 1, .scale_to = 0};
  EXPECT_THAT(WhyNotUndo(policy, action, scaled), HasSubstr("left with 0 pods"));
  scaled = {.desired = 4, .ready = 4, .scale_to = 2};
  EXPECT_EQ(WhyNotUndo(policy, action, scaled), "");
  EXPECT_EQ(WhyNotUndo(policy, action, {.desired = 1, .ready = 0}), "") << "it scales nothing";
}

TEST(ClusterFactsTest, CountsPodsOfTheWorkload) {
  base::SimulatedExecutor time;
  base::SeededRandom random(1);
  kube::FakeApi api(time, random);
  MakeDeployment(api, "cart", 3);
  MakeDeployment(api, "mail", 2);
  const Action restart{.kind = ActionKind::kRestart, .ns = "shop", .workload = "cart"};
  const auto facts = ReadClusterFacts(api, restart);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->pods_in_namespace, 5u);
  EXPECT_EQ(facts->pods_touched, 3u);
  EXPECT_EQ(facts->ready, 3u);
  EXPECT_NE(facts->began_ns, 0);
  Action delete_pod{.kind = ActionKind::kDeletePod, .ns = "shop", .workload = "cart"};
  delete_pod.steps = {
      {.verb = Step::Verb::kDelete, .resource = "pods", .ns = "shop", .name = "cart-pod-1"}};
  const auto one = ReadClusterFacts(api, delete_pod);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->pods_touched, 1u);
  EXPECT_TRUE(one->touches_ready_pod);
  EXPECT_NE(one->began_ns, 0);
  const Action rollback{.kind = ActionKind::kRollbackRevision, .ns = "shop", .workload = "cart"};
  const auto other = ReadClusterFacts(api, rollback);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->began_ns, 0) << "a bad release is not waited on";
}

}  // namespace
}  // namespace enclave::agent
