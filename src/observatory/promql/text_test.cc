// Numbers, durations and statistics: the small parts.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "observatory/promql/column.h"
#include "observatory/promql/duration.h"
#include "observatory/promql/number_text.h"

namespace enclave::observatory::promql {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(DurationTest, ReadsAndShows) {
  EXPECT_EQ(ParseDurationMs("1h30m"), 5'400'000);
  EXPECT_EQ(ParseDurationMs("1y2w3d"), (365 + 14 + 3) * 86'400'000LL);
  EXPECT_EQ(ParseDurationMs("500ms"), 500);
  EXPECT_EQ(ParseDurationMs("0"), 0);
  EXPECT_EQ(ParseDurationMs("0s"), 0);
  for (const char* bad : {"", "1", "s", "1m1h", "1s1s", "1x", "1.5h", "-1s", "999999999999y"})
    EXPECT_FALSE(ParseDurationMs(bad)) << bad;
  EXPECT_EQ(FormatDurationMs(5'400'000), "1h30m");
  EXPECT_EQ(FormatDurationMs(0), "0s");
  EXPECT_EQ(FormatDurationMs(-61'500), "-1m1s500ms");
  EXPECT_EQ(FormatDurationMs(14 * 86'400'000LL), "2w");
  EXPECT_EQ(FormatDurationMs(15 * 86'400'000LL), "15d");
}

TEST(NumberTextTest, ReadsAsGoDoes) {
  EXPECT_EQ(ParseNumber("1_000.5"), 1000.5);
  EXPECT_EQ(ParseNumber("0x1f"), 31);
  EXPECT_EQ(ParseNumber("0b11"), 3);
  EXPECT_EQ(ParseNumber("08"), 8);
  EXPECT_EQ(ParseNumber("010"), 8);
  EXPECT_EQ(ParseNumber("inF"), kInf);
  EXPECT_EQ(ParseNumber("1e-999"), 0);
  for (const char* bad : {"", "_1", "1_", "1__0", "0xg", "1e", "1e999"})
    EXPECT_EQ(ParseNumber(bad), std::nullopt) << bad;
  EXPECT_EQ(ParseBound("+Inf"), kInf);
  EXPECT_EQ(ParseBound("-5e1"), -50);
  EXPECT_EQ(ParseBound("--5"), std::nullopt);
  EXPECT_EQ(ParseBound(" 5"), std::nullopt);
}

TEST(NumberTextTest, ShowsTheFewestDigits) {
  EXPECT_EQ(FormatFixed(0.1), "0.1");
  EXPECT_EQ(FormatFixed(-1e-7), "-0.0000001");
  EXPECT_EQ(FormatFixed(1e23), "100000000000000000000000");
  EXPECT_EQ(FormatFixed(123.456), "123.456");
  EXPECT_EQ(FormatFixed(0), "0");
  EXPECT_EQ(FormatFixed(-0.0), "-0");
  EXPECT_EQ(FormatFixed(kInf), "+Inf");
  EXPECT_EQ(FormatFixed(std::nan("")), "NaN");
  EXPECT_EQ(FormatCompact(1e30), "1e+30");
  EXPECT_EQ(FormatCompact(0.00001), "1e-05");
  EXPECT_EQ(FormatCompact(1.5), "1.5");
  EXPECT_EQ(FormatCompact(1234.5, 2), "1.2e+03");
  EXPECT_EQ(FormatCompact(4, 2), "4");
}

TEST(ColumnTest, AbsenceIsNoOrdinaryNan) {
  EXPECT_FALSE(Present(kAbsent));
  EXPECT_TRUE(Present(std::nan("")));
  EXPECT_TRUE(Present(kAbsent + 1));  // arithmetic makes it quiet
}

TEST(ColumnTest, PartsOfStatisticsAddUp) {
  CompensatedMean whole;
  CompensatedMean first;
  CompensatedMean second;
  Deviation deviation;
  Deviation left;
  Deviation right;
  for (int i = 0; i < 10; ++i) {
    const double value = i * i;
    whole.Add(value);
    (i < 4 ? first : second).Add(value);
    deviation.Add(value);
    (i < 4 ? left : right).Add(value);
  }
  first.Merge(second);
  EXPECT_NEAR(first.Mean(), whole.Mean(), 1e-12);
  left.Merge(right);
  EXPECT_NEAR(left.squares, deviation.squares, 1e-9);
  EXPECT_NEAR(left.mean, deviation.mean, 1e-12);

  CompensatedMean huge;
  CompensatedMean other;
  huge.Add(1e308);
  other.Add(1.5e308);
  huge.Merge(other);
  EXPECT_DOUBLE_EQ(huge.Mean(), 1.25e308);
}

}  // namespace
}  // namespace enclave::observatory::promql
