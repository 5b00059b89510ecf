// Scoring: what counts as right, and the statistics over it.
#include "bench/rca/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/rca/report.h"

namespace enclave::bench::rca {
namespace {

using enclave::rca::CauseKind;
using enclave::rca::Hypothesis;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Answer AnswerOf(std::vector<Hypothesis> ranking) {
  Answer answer{.ms = 2};
  answer.diagnosis.ranking = std::move(ranking);
  return answer;
}

TEST(CompareTest, RankKindAndConfidence) {
  const Answer answer = AnswerOf({{.service = "a", .kind = CauseKind::kCpu, .confidence = 0.7},
                                  {.service = "b", .kind = CauseKind::kCodeError}});
  const CaseEntry entry{.id = "c"};
  const Outcome first =
      Compare(answer, entry, {.service = "a", .fault_type = "cpu_contention"}, false);
  EXPECT_EQ(first.rank, 1u);
  EXPECT_TRUE(first.kind_right);
  EXPECT_FALSE(first.inner_right.has_value());
  const Outcome second = Compare(answer, entry, {.service = "b", .fault_type = "return"}, false);
  EXPECT_EQ(second.rank, 2u);
  EXPECT_FALSE(second.kind_right);
  EXPECT_EQ(Compare(answer, entry, {.service = "z"}, false).rank, 0u);
  const auto line = nlohmann::json::parse(PredictionLine(answer, first));
  EXPECT_EQ(line["case"], "c");
  EXPECT_EQ(line["ranking"], (nlohmann::json{"a", "b"}));
  EXPECT_EQ(line["kind"], "cpu");
  EXPECT_EQ(line["ms"], 2.0);
}

TEST(KindWordTest, SpeaksTheWordsOfThePacks) {
  EXPECT_EQ(KindWord({.kind = CauseKind::kCodeError}, true), "availability");
  EXPECT_EQ(KindWord({.kind = CauseKind::kCodeError}, false), "exception");
  EXPECT_EQ(KindWord({.kind = CauseKind::kSlowDependency}, true), "latency");
  EXPECT_EQ(KindWord({.kind = CauseKind::kCrash}, true), "availability");
  EXPECT_EQ(KindWord({.kind = CauseKind::kNetworkDelay}, false), "network_delay");
}

TEST(InnerTest, EitherStatementOfAPairOrOneBetween) {
  incident::Context context;
  context.logs.push_back({.id = "l1", .location = "c.s.Contacts#32", .text = "No such contact"});
  const std::vector<std::string> pair{"c.s.Contacts#31", "c.s.Contacts#34"};
  const Hypothesis hypothesis{.component = "x", .component_evidence = "l1"};
  EXPECT_TRUE(NamesInner(hypothesis, context, pair));
  context.logs[0].location = "c.s.Contacts#35";
  EXPECT_FALSE(NamesInner(hypothesis, context, pair));
  context.logs[0].location = "c.s.Other#32";
  EXPECT_FALSE(NamesInner(hypothesis, context, pair));
  context.logs[0].text = "Charge successfully <*>";
  EXPECT_TRUE(NamesInner(hypothesis, context, {"Start charge card", "Charge successfully"}));
}

TEST(InnerTest, OperationsMetricsAndEdges) {
  incident::Context context;
  context.series.push_back({.id = "m1", .signal = incident::Signal::kCpu});
  context.series.push_back({.id = "m2", .signal = incident::Signal::kMemory});
  context.edges.push_back({.id = "e1"});
  EXPECT_TRUE(NamesInner({.component_evidence = "m1"}, context, {"CpuUsageRate(%)"}));
  EXPECT_FALSE(NamesInner({.component_evidence = "m2"}, context, {"CpuUsageRate(%)"}));
  EXPECT_TRUE(NamesInner({.component_evidence = "e1"}, context, {"NetworkP90(ms)"}));
  EXPECT_FALSE(NamesInner({.component_evidence = "m1"}, context, {"NetworkP90(ms)"}));
  EXPECT_TRUE(NamesInner({.component = "PriceController.query"}, context,
                         {"PriceController.query start", "p.c.PriceController#46"}));
  EXPECT_FALSE(NamesInner({}, context, {"PriceController.query start"}));
}

TEST(StatisticsTest, WilsonsInterval) {
  const Interval interval = WilsonInterval(20, 23);
  EXPECT_THAT(interval.low, DoubleNear(0.679, 0.001));
  EXPECT_THAT(interval.high, DoubleNear(0.955, 0.001));
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
  EXPECT_EQ(WilsonInterval(5, 5).high, 1);
}

TEST(StatisticsTest, CalibrationIsPerfectWhereConfidenceIsTheShareOfRight) {
  std::vector<Outcome> outcomes(4, {.rank = 1, .confidence = 0.75});
  outcomes[3].rank = 2;
  EXPECT_THAT(ExpectedCalibrationError(outcomes), DoubleNear(0, 1e-9));
  outcomes[2].rank = 2;
  EXPECT_THAT(ExpectedCalibrationError(outcomes), DoubleNear(0.25, 1e-9));
  EXPECT_THAT(
      ExpectedCalibrationError({{.rank = 1, .confidence = 0.15}, {.rank = 2, .confidence = 1.0}}),
      DoubleNear((0.85 + 1.0) / 2, 1e-9));
  EXPECT_EQ(ExpectedCalibrationError({}), 0);
}

TEST(ReportTest, TablesCountByPackAndFault) {
  Evaluation evaluation{.packs = {"p|q"}};
  evaluation.plain = {
      .name = "as it is",
      .packs = {{{.id = "1",
                  .fault_type = "cpu",
                  .rank = 1,
                  .kind_right = true,
                  .inner_right = true,
                  .ms = 3},
                 {.id = "2", .fault_type = "return", .rank = 4, .inner_right = false, .ms = 5}}}};
  const std::vector<Table> tables = TablesOf(evaluation);
  const auto& rows = tables.front().rows;
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1][1], "cpu");
  EXPECT_THAT(rows[1][2], HasSubstr("1.000 (1/1)"));
  EXPECT_THAT(rows[3][2], HasSubstr("0.500 (1/2)"));
  EXPECT_EQ(rows[3][4], "1.000");
  EXPECT_THAT(rows[3][6], HasSubstr("(1/2)"));
  EXPECT_THAT(ToMarkdown(tables), HasSubstr("| p q | cpu | 1.000 (1/1)"));
  const nlohmann::json json = ToJson(evaluation);
  EXPECT_EQ(json["plain"]["packs"]["p|q"]["faults"]["cpu"]["ac1"], 1.0);
  EXPECT_EQ(json["ms"]["max"], 5.0);
}

}  // namespace
}  // namespace enclave::bench::rca
