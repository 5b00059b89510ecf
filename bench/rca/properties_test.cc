// What must hold of the engine whatever the incident: made incidents of each kind of fault.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "bench/rca/evaluate.h"
#include "bench/rca/synthetic.h"
#include "incident/context_json.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::CauseKind;
using enclave::rca::Diagnosis;

struct Asked {
  incident::Context context;
  Diagnosis diagnosis;
  std::string cause;
};

Asked AskAbout(const SyntheticOptions& options) {
  SyntheticIncident made = MakeIncident(options);
  auto context = incident::Freeze(SourcesOf(made), QuestionOf(made.loaded));
  EXPECT_TRUE(context) << (context ? "" : context.error().message());
  Asked asked{*std::move(context), {}, made.cause};
  asked.diagnosis = enclave::rca::Diagnose(asked.context);
  EXPECT_FALSE(asked.diagnosis.ranking.empty());
  return asked;
}

constexpr std::size_t kTraces = 600;

SyntheticOptions OptionsOf(CauseKind kind, std::uint64_t seed = 1) {
  return {.seed = seed, .traces = kTraces, .fault = kind};
}

// Those with evidence, each with its confidence to a millionth: the rest is ordered by name.
std::vector<std::string> RankingOf(const Diagnosis& diagnosis,
                                   const std::map<std::string, std::string>& renamed = {}) {
  std::vector<std::string> ranking;
  for (const auto& hypothesis : diagnosis.ranking) {
    if (hypothesis.evidence.empty()) continue;
    const auto at = renamed.find(hypothesis.service);
    ranking.push_back(fmt::format("{} {} {:.6f}",
                                  at == renamed.end() ? hypothesis.service : at->second,
                                  ToString(hypothesis.kind), hypothesis.confidence));
  }
  return ranking;
}

class EachKindTest : public ::testing::TestWithParam<CauseKind> {};

TEST_P(EachKindTest, TheFaultyServiceIsFirst) {
  const Asked asked = AskAbout(OptionsOf(GetParam(), 2));
  EXPECT_EQ(asked.diagnosis.ranking.front().service, asked.cause) << asked.diagnosis.summary;
}

// Spans alone tell the service of all faults but one: who answers wrongly, and says so in no more
// than a line, is no different to them.
TEST_P(EachKindTest, SpansAloneTell) {
  if (GetParam() == CauseKind::kWrongResult) GTEST_SKIP() << "nothing of it shows in spans";
  SyntheticIncident made = MakeIncident(OptionsOf(GetParam(), 2));
  const auto context = incident::Freeze({.traces = &made.loaded.traces}, QuestionOf(made.loaded));
  ASSERT_TRUE(context) << context.error().message();
  const Diagnosis diagnosis = enclave::rca::Diagnose(*context);
  ASSERT_FALSE(diagnosis.ranking.empty());
  EXPECT_EQ(diagnosis.ranking.front().service, made.cause) << diagnosis.summary;
}

// What Kubernetes and the history of changes say is why calls fail; and who still answers some
// calls is not down.
TEST_P(EachKindTest, TheKindIsRight) {
  // Both answer with an error that they log: only who reads the code can tell them apart.
  const CauseKind kind = GetParam() == CauseKind::kWrongResult ? CauseKind::kCodeError : GetParam();
  EXPECT_EQ(ToString(AskAbout(OptionsOf(GetParam(), 2)).diagnosis.ranking.front().kind),
            ToString(kind));
}

TEST_P(EachKindTest, OrderOfInputDoesNotMatter) {
  SyntheticOptions options = OptionsOf(GetParam());
  const Asked plain = AskAbout(options);
  options.shuffled = true;
  const Asked shuffled = AskAbout(options);
  EXPECT_EQ(RankingOf(plain.diagnosis), RankingOf(shuffled.diagnosis));
}

TEST_P(EachKindTest, NamesDoNotMatter) {
  SyntheticOptions options = OptionsOf(GetParam());
  const Asked plain = AskAbout(options);
  // Their order by name is another one, too.
  std::map<std::string, std::string> old_names;
  for (std::size_t i = 0; i < options.services; ++i)
    old_names[fmt::format("{}x", (i * 7 + 3) % options.services)] = fmt::format("service-{}", i);
  options.name = [&](std::size_t i) { return fmt::format("{}x", (i * 7 + 3) % options.services); };
  const Asked renamed = AskAbout(options);
  EXPECT_EQ(RankingOf(plain.diagnosis), RankingOf(renamed.diagnosis, old_names));
}

TEST_P(EachKindTest, AQuietServiceDoesNotChangeTheFirst) {
  SyntheticOptions options = OptionsOf(GetParam());
  const Asked plain = AskAbout(options);
  options.quiet = 10;
  const Asked more = AskAbout(options);
  EXPECT_EQ(plain.diagnosis.ranking.front().service, more.diagnosis.ranking.front().service);
}

TEST_P(EachKindTest, UnitsDoNotMatter) {
  SyntheticOptions options = OptionsOf(GetParam());
  const Asked plain = AskAbout(options);
  options.other_units = true;
  const Asked scaled = AskAbout(options);
  EXPECT_EQ(plain.diagnosis.ranking.front().service, scaled.diagnosis.ranking.front().service);
}

TEST_P(EachKindTest, AContextReplaysFromItsJson) {
  const Asked asked = AskAbout(OptionsOf(GetParam()));
  const auto read = incident::ContextFromJson(incident::ContextToJson(asked.context));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_TRUE(*read == asked.context);
  EXPECT_EQ(RankingOf(enclave::rca::Diagnose(*read)), RankingOf(asked.diagnosis));
}

INSTANTIATE_TEST_SUITE_P(Synthetic, EachKindTest, ::testing::ValuesIn(SyntheticKinds()),
                         [](const auto& info) {
                           std::string name(ToString(info.param));
                           std::erase(name, ' ');
                           return name;
                         });

// A slice of the evaluation, without the packs: one number over many made incidents.
TEST(SliceTest, MostIncidentsAreRight) {
  std::size_t all = 0;
  std::size_t right = 0;
  for (const CauseKind kind :
       {CauseKind::kCodeError, CauseKind::kWrongResult, CauseKind::kCpu, CauseKind::kNetworkDelay})
    for (std::size_t faulty = 3; faulty < 15; faulty += 4) {
      SyntheticOptions options = OptionsOf(kind, 10 + faulty);
      options.faulty = faulty;
      const Asked asked = AskAbout(options);
      ++all;
      if (asked.diagnosis.ranking.front().service == asked.cause) ++right;
    }
  EXPECT_GE(right * 10, all * 9) << right << " of " << all;
}

TEST(PerturbedTest, EverySignalMayBeMissing) {
  SyntheticIncident made = MakeIncident(OptionsOf(CauseKind::kNetworkDelay));
  for (const Perturbation perturbation :
       {Perturbation::kAlertEarly, Perturbation::kAlertLate, Perturbation::kNoMetrics,
        Perturbation::kNoLogs, Perturbation::kSpansDropped}) {
    const auto answer = Ask(made.loaded, perturbation, {}, base::SystemClock());
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(answer->diagnosis.ranking.front().service, made.cause) << ToString(perturbation);
  }
  const auto blind = Ask(made.loaded, Perturbation::kNoTraces, {}, base::SystemClock());
  ASSERT_TRUE(blind);
  EXPECT_FALSE(blind->context.missing.empty());
}

}  // namespace
}  // namespace enclave::bench::rca
