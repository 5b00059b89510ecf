// Memory and engine together: what is remembered tips a balance, and never outvotes plain evidence.
#include "bench/rca/recollection.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/rca/memory_tables.h"
#include "bench/rca/report.h"
#include "bench/rca/synthetic.h"
#include "incident/freeze.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::CauseKind;
using enclave::rca::Diagnose;
using enclave::rca::Diagnosis;
using ::testing::HasSubstr;

// Two services that do not call each other, and what Kubernetes says of each.
incident::Context TwoSuspects(const char* of_store, const char* of_web, int day) {
  incident::Context context;
  context.id = fmt::format("suspects-{}", day);
  context.alert.time_ns = (1000 + day) * 24 * 60 * kMinuteNs;
  for (const char* name : {"store", "web"})
    context.services.push_back({.name = name, .requests_before = 100, .requests_during = 100});
  context.facts = {
      {.id = "k1", .service = "store", .kind = "Pod", .reason = of_store, .warning = true},
      {.id = "k2", .service = "web", .kind = "Pod", .reason = of_web, .warning = true}};
  return context;
}

Answer AnswerFor(incident::Context context) {
  Answer answer{.context = std::move(context)};
  answer.diagnosis = Diagnose(answer.context);
  return answer;
}

Answer AnswerFor(CauseKind kind, std::uint64_t seed, std::string* cause) {
  SyntheticIncident made = MakeIncident({.seed = seed, .traces = 600, .fault = kind});
  auto context = incident::Freeze(SourcesOf(made), QuestionOf(made.loaded));
  EXPECT_TRUE(context) << (context ? "" : context.error().message());
  *cause = made.cause;
  return AnswerFor(*std::move(context));
}

std::string FirstOf(const base::Result<Diagnosis>& diagnosis) {
  EXPECT_TRUE(diagnosis) << (diagnosis ? "" : diagnosis.error().message());
  return diagnosis ? diagnosis->ranking.front().service : "";
}

TEST(RecollectionTest, AConfirmedMemoryTipsABalance) {
  const Answer today = AnswerFor(TwoSuspects("BackOff", "BackOff", 9));
  ASSERT_LT(LeadOf(today.diagnosis), 0.01);
  for (const char* cause : {"web", "store"}) {
    const auto memory = Recollection::Create();
    ASSERT_TRUE(memory);
    const Answer before = AnswerFor(TwoSuspects("BackOff", "BackOff", 1));
    ASSERT_TRUE((*memory)->Remember("before", before.context, before.diagnosis, {cause, "crash"}));
    EXPECT_EQ(FirstOf((*memory)->Reconsider(today.context, today.diagnosis)), cause);
    // Nothing that it could recall but itself.
    EXPECT_EQ(FirstOf((*memory)->Reconsider(today.context, today.diagnosis, "before")),
              today.diagnosis.ranking.front().service);
  }
}

TEST(RecollectionTest, MemoriesThatAgreeAreWorthMoreAndBounded) {
  const auto recollection = Recollection::Create();
  ASSERT_TRUE(recollection);
  const Answer today = AnswerFor(TwoSuspects("BackOff", "BackOff", 40));
  // Both are as likely by evidence.
  const double most = today.diagnosis.ranking.front().confidence * (1 - enclave::rca::kMostShare) +
                      enclave::rca::kMostShare;
  double last = 0;
  for (int day = 1; day <= 30; ++day) {
    const Answer before = AnswerFor(TwoSuspects("BackOff", "BackOff", day));
    ASSERT_TRUE(
        (*recollection)
            ->Remember(before.context.id, before.context, before.diagnosis, {"web", "crash"}));
    const auto now = (*recollection)->Reconsider(today.context, today.diagnosis);
    ASSERT_EQ(FirstOf(now), "web");
    const double confidence = now->ranking.front().confidence;
    EXPECT_GE(confidence, last - 0.005);
    EXPECT_LE(confidence, most + 1e-6);
    last = confidence;
  }
  EXPECT_GT(last,
            today.diagnosis.ranking.front().confidence +
                0.6 * enclave::rca::kMostShare * (1 - today.diagnosis.ranking.front().confidence));
}

// The heart of it: whatever is remembered, and however often, what is clear stays.
TEST(RecollectionTest, PoisonChangesNoClearCase) {
  struct Case {
    std::string name;
    Answer answer;
    std::string cause;
  };
  std::vector<Case> cases;
  for (const CauseKind kind : {CauseKind::kCpu, CauseKind::kMemory, CauseKind::kCodeError,
                               CauseKind::kCrash, CauseKind::kNetworkDelay})
    for (const std::uint64_t seed : {1U, 2U}) {
      std::string cause;
      Answer answer = AnswerFor(kind, seed, &cause);
      cases.push_back({fmt::format("{} {}", ToString(kind), seed), std::move(answer), cause});
    }
  cases.push_back({"facts", AnswerFor(TwoSuspects("OOMKilled", "Killing", 3)), "store"});

  const auto recollection = Recollection::Create();
  ASSERT_TRUE(recollection);
  for (const Case& one : cases) {
    const auto& ranking = one.answer.diagnosis.ranking;
    ASSERT_GE(ranking.size(), 2U);
    // The one that is easiest to believe in, and of the first all is denied.
    ASSERT_TRUE((*recollection)
                    ->Poison(one.name, one.answer.context, one.answer.diagnosis,
                             {ranking[1].service, std::string(ToString(ranking[1].kind))},
                             {ranking[0].service, std::string(ToString(ranking[0].kind))}, 20));
  }
  // The lies agree with each other, so they are trusted as much as can be.
  EXPECT_GT((*recollection)->memory().trust().Weight(0.99), 0.9);
  std::size_t clear = 0;
  for (const Case& one : cases) {
    if (!IsPlain(one.answer.diagnosis)) continue;
    ++clear;
    EXPECT_EQ(FirstOf((*recollection)->Reconsider(one.answer.context, one.answer.diagnosis)),
              one.answer.diagnosis.ranking.front().service)
        << one.name << " led by " << LeadOf(one.answer.diagnosis);
  }
  EXPECT_GE(clear, 8U) << "of " << cases.size();
}

TEST(RecollectionTest, LiesDoReachWhatIsNotClear) {
  // Else the test above would say nothing.
  const auto recollection = Recollection::Create();
  ASSERT_TRUE(recollection);
  const Answer today = AnswerFor(TwoSuspects("BackOff", "BackOff", 40));
  const std::string first = today.diagnosis.ranking[0].service;
  ASSERT_TRUE((*recollection)
                  ->Poison("lie", today.context, today.diagnosis,
                           {today.diagnosis.ranking[1].service, "crash"}, {first, "crash"}, 20));
  const auto now = (*recollection)->Reconsider(today.context, today.diagnosis);
  EXPECT_NE(FirstOf(now), first);
  EXPECT_LE(LeadOf(*now), enclave::rca::kPlainLead);
}

TEST(MemoryEvaluatorTest, CountsWhatIsMendedAndSpoiled) {
  MemoryEvaluator evaluator(1, {"as it is", "faint"});
  for (int day = 1; day <= 4; ++day) {
    Answer plain = AnswerFor(TwoSuspects("OOMKilled", "BackOff", day));
    ASSERT_EQ(plain.diagnosis.ranking.front().service, "store");
    // Without what told them apart the first by name leads: the wrong one of two cases.
    Answer faint = AnswerFor(TwoSuspects("BackOff", "BackOff", day));
    const std::string cause = day % 2 == 0 ? "web" : "store";
    plain = day % 2 == 0 ? AnswerFor(TwoSuspects("BackOff", "OOMKilled", day)) : std::move(plain);
    evaluator.Add(0, {.id = fmt::format("case-{}", day)},
                  {.service = cause, .fault_type = "memory"}, plain, {plain, faint});
  }
  const auto report = evaluator.Run();
  ASSERT_TRUE(report) << report.error().message();
  const MemoryReport::OfPack& pack = report->packs.at(0);
  EXPECT_EQ(pack.twins.with_twin, 4U);
  EXPECT_EQ(pack.twins.among, 4U);
  const Repeats& plain = pack.repeats.at(0);
  EXPECT_EQ(plain.asked, 4U);
  EXPECT_EQ(plain.right_without, 4U);
  EXPECT_EQ(plain.right_with, 4U);
  EXPECT_EQ(plain.spoiled + plain.spoiled_by_likes, 0U);
  const Repeats& faint = pack.repeats.at(1);
  EXPECT_EQ(faint.right_without, 2U);
  EXPECT_EQ(faint.right_with, faint.right_without + faint.mended - faint.spoiled);
  ASSERT_EQ(pack.lies.size(), 2U);
  EXPECT_EQ(pack.lies[0].asked, 4U);
  EXPECT_EQ(pack.lies[0].right_without, 4U);
  EXPECT_EQ(pack.lies[0].clear_changed, 0U);
  EXPECT_EQ(pack.lies[1].asked, 4U);
  EXPECT_EQ(pack.lies[1].right_without, 2U);

  Evaluation evaluation{.packs = {"made"}, .memory = *report};
  const auto tables = MemoryTables(evaluation);
  ASSERT_EQ(tables.size(), 3U);
  EXPECT_THAT(ToMarkdown(tables), HasSubstr("| made | 1.000 (4/4)"));
  EXPECT_THAT(ToMarkdown(tables), HasSubstr("| all, faint | 0.500 (2/4)"));
  EXPECT_EQ(MemoryJson(evaluation)["packs"]["made"]["lies"]["faint"]["asked"], 4);
  EXPECT_TRUE(MemoryTables({}).empty());
  EXPECT_TRUE(MemoryJson({}).is_null());
}

}  // namespace
}  // namespace enclave::bench::rca
