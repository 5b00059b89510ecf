#include "lab/load/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace enclave::lab::load {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(LatenciesTest, PercentilesAreWithinTwoPercent) {
  Latencies latencies;
  for (int ms = 1; ms <= 1000; ++ms) latencies.Add(milliseconds(ms));
  for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99}) {
    const double wanted = share * 1000;
    const double found =
        std::chrono::duration<double, std::milli>(latencies.Percentile(share)).count();
    EXPECT_NEAR(found, wanted, wanted * 0.02) << share;
  }
  EXPECT_EQ(latencies.Percentile(1), milliseconds(1000));
  EXPECT_EQ(latencies.max(), milliseconds(1000));
  EXPECT_EQ(latencies.count(), 1000u);
}

TEST(LatenciesTest, SmallAndHugeOnesAreKept) {
  Latencies latencies;
  EXPECT_EQ(latencies.Percentile(0.5), base::Duration::zero());
  for (int us = 0; us < 60; ++us) {
    Latencies one;
    one.Add(microseconds(us));
    EXPECT_EQ(one.Percentile(0.5), microseconds(us));
    latencies.Add(one);
  }
  EXPECT_EQ(latencies.count(), 60u);
  latencies.Add(std::chrono::hours(1000));
  latencies.Add(seconds(-1));
  EXPECT_EQ(latencies.max(), std::chrono::hours(1000));
  EXPECT_GT(latencies.Percentile(1), std::chrono::hours(1));
}

TEST(ReportTest, SumsUpByAction) {
  Report report;
  report.Add(Action::kIndex, milliseconds(10), 1, std::nullopt);
  report.Add(
      Action::kCheckout, milliseconds(40), 4,
      Failure{
          .action = Action::kCheckout, .why = "wrong total", .trace_id = "abc", .at = seconds(2)});
  EXPECT_EQ(report.All().count, 2u);
  EXPECT_EQ(report.All().requests, 5u);
  EXPECT_EQ(report.All().errors, 1u);
  EXPECT_EQ(report.of(Action::kIndex).errors, 0u);
  EXPECT_EQ(report.of(Action::kCheckout).errors, 1u);
  const std::string table = report.Table(seconds(4));
  EXPECT_THAT(table, HasSubstr("checkout: wrong total  trace abc"));
  EXPECT_THAT(report.Line(seconds(4), 7), HasSubstr("1 errors (50.00 %)"));
  const nlohmann::json json = report.ToJson(seconds(4));
  EXPECT_EQ(json["all"]["actions"], 2);
  EXPECT_EQ(json["all"]["rate_per_s"], 0.5);
  EXPECT_EQ(json["by_action"]["checkout"]["errors"], 1);
  EXPECT_EQ(json["failures"][0]["trace_id"], "abc");
}

TEST(ReportTest, KeepsTheNewestFailures) {
  Report report;
  for (std::size_t i = 0; i < Report::kMostFailures + 5; ++i)
    report.Add(Action::kIndex, milliseconds(1), 1,
               Failure{.action = Action::kIndex, .why = std::to_string(i), .trace_id = ""});
  EXPECT_EQ(report.failures().size(), Report::kMostFailures);
  EXPECT_EQ(report.failures().front().why, "5");
}

TEST(ReportTest, DurationsAreShownShort) {
  EXPECT_EQ(ShownDuration(microseconds(742)), "742 us");
  EXPECT_EQ(ShownDuration(microseconds(4'120)), "4.1 ms");
  EXPECT_EQ(ShownDuration(milliseconds(1'250)), "1.25 s");
}

}  // namespace
}  // namespace enclave::lab::load
