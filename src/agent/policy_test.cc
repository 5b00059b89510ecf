#include "agent/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/test_support.h"

namespace enclave::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(const std::string& text) {
  const auto policy = ParsePolicy(text, "p.yaml");
  return policy ? "valid" : policy.error().message();
}

TEST(PolicyTest, ReadsEverything) {
  const auto policy = ParsePolicy(R"(
namespaces: [a, b]
mode: human
actions: [restart, raise_limit]
guardrail: {max_share_of_pods: 0.2, per_hour: 7}
verify: {settle: 2s, hold: 4s, window: 1m}
grouping: {hops: 3}
rules:
  - name: memory
    when: {cause: [memory], reason: OOMKilled, within: 5m, min_confidence: 0.5}
    try:
      - restart
      - {action: raise_limit, resource: memory, factor: 1.5, max_bytes: 1GiB, approval: required}
)",
                                  "p.yaml");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_THAT(policy->namespaces, ElementsAre("a", "b"));
  EXPECT_EQ(policy->mode, Mode::kHuman);
  EXPECT_TRUE(policy->allowed.contains(ActionKind::kEscalate)) << "asking people is always allowed";
  EXPECT_FALSE(policy->allowed.contains(ActionKind::kScale));
  EXPECT_DOUBLE_EQ(policy->guardrail.max_share_of_pods, 0.2);
  EXPECT_EQ(policy->guardrail.per_hour, 7u);
  EXPECT_EQ(policy->grouping.hops, 3u);
  ASSERT_EQ(policy->rules.size(), 1u);
  const Rule& rule = policy->rules[0];
  EXPECT_THAT(rule.causes, ElementsAre(rca::CauseKind::kMemory));
  EXPECT_THAT(rule.reasons, ElementsAre("OOMKilled"));
  EXPECT_EQ(rule.within, std::chrono::minutes(5));
  ASSERT_EQ(rule.attempts.size(), 2u);
  EXPECT_TRUE(rule.attempts[1].needs_approval);
  EXPECT_DOUBLE_EQ(rule.attempts[1].factor, 1.5);
  EXPECT_EQ(rule.attempts[1].most_bytes, 1u << 30);
}

TEST(PolicyTest, ErrorsSayTheLineAndWhatToDo) {
  const std::string head = "namespaces: [a]\nactions: [restart]\n";
  const std::string rules = "rules: [{name: r, try: [restart]}]\n";
  EXPECT_EQ(ErrorOf(head + rules), "valid");
  EXPECT_THAT(ErrorOf(head + "actoins: [x]\n" + rules), StartsWith("p.yaml:3: "));
  EXPECT_THAT(ErrorOf("namespaces: [a]\nactions: [reboot]\n" + rules),
              AllOf(StartsWith("p.yaml:2: "), HasSubstr("rollback_revision")));
  EXPECT_THAT(ErrorOf(head + "mode: robot\n" + rules),
              AllOf(StartsWith("p.yaml:3: "), HasSubstr("autonomous or human")));
  EXPECT_THAT(ErrorOf(head + "guardrail: {min_available: 2}\n" + rules),
              AllOf(StartsWith("p.yaml:3: "), HasSubstr("from 0 to 1")));
  EXPECT_THAT(ErrorOf(head + "verify: {window: 1s}\n" + rules), HasSubstr("longer"));
  EXPECT_THAT(ErrorOf(head + "rules: [{name: r, when: {cause: gremlins}, try: [restart]}]\n"),
              AllOf(StartsWith("p.yaml:3: "), HasSubstr("gremlins")));
  EXPECT_THAT(ErrorOf(head + "rules: [{name: r, try: [scale]}]\n"), HasSubstr("max:"));
  EXPECT_THAT(ErrorOf(head), HasSubstr("no rules"));
  EXPECT_THAT(ErrorOf(rules + "actions: [restart]\n"), HasSubstr("no namespaces"));
  EXPECT_THAT(ErrorOf(""), StartsWith("p.yaml:1: "));
}

TEST(PolicyTest, EveryActionStandsInTheTableOnce) {
  for (const ActionFacts& facts : AllActions()) {
    EXPECT_EQ(ActionKindFromString(facts.name), facts.kind);
    EXPECT_EQ(&FactsOf(facts.kind), &facts);
    EXPECT_EQ(facts.mutates, facts.kind != ActionKind::kEscalate);
  }
}

}  // namespace
}  // namespace enclave::agent
