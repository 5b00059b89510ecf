#include "parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "prometheus_parameters.h"

namespace enclave::observatory::api {
namespace {

TEST(ParametersTest, FormsGoBeforeTheUrl) {
  net::Request request;
  request.query = {{"query", "url"}, {"match[]", "b"}};
  request.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8";
  request.body = "query=a%2Bb+c&match[]=a";
  const Parameters parameters = Parameters::Of(request);
  EXPECT_EQ(parameters.Get("query"), "a+b c");
  EXPECT_THAT(parameters.All("match[]"), testing::ElementsAre("a", "b"));
  EXPECT_FALSE(parameters.Has("time"));
}

TEST(ParametersTest, OtherBodiesAreNoParameters) {
  net::Request request;
  request.headers["Content-Type"] = "application/json";
  request.body = "query=x";
  EXPECT_FALSE(Parameters::Of(request).Has("query"));
}

TEST(ParametersTest, PrometheusTimes) {
  EXPECT_EQ(*ParsePrometheusTime("1435781451.781"), 1435781451781);
  EXPECT_EQ(*ParsePrometheusTime("-1.5"), -1500);
  EXPECT_EQ(*ParsePrometheusTime("1e3"), 1000000);
  EXPECT_EQ(*ParsePrometheusTime("2015-07-01T20:10:51.781Z"), 1435781451781);
  EXPECT_EQ(*ParsePrometheusTime("2015-07-01T22:10:51.781+02:00"), 1435781451781);
  EXPECT_EQ(*ParsePrometheusTime("1970-01-01T00:00:00-00:30"), 1800000);
  for (const char* bad : {"", "now", "2015-07-01", "2015-13-01T00:00:00Z", "2015-02-30T00:00:00Z",
                          "2015-07-01T20:10:51", "NaN", "+Inf", "1e300", "12s",
                          "2015-07-01T20:10:51.Z", "2015-07-01T24:10:51Z"})
    EXPECT_FALSE(ParsePrometheusTime(bad)) << bad;
  EXPECT_EQ(ParsePrometheusTime("x").error().message(), "cannot parse \"x\" to a valid timestamp");
}

TEST(ParametersTest, PrometheusDurations) {
  EXPECT_EQ(*ParsePrometheusDuration("15"), 15000);
  EXPECT_EQ(*ParsePrometheusDuration("0.25"), 250);
  EXPECT_EQ(*ParsePrometheusDuration("1h30m"), 5400000);
  EXPECT_EQ(*ParsePrometheusDuration("1d500ms"), 86400500);
  for (const char* bad :
       {"", "m", "1m1h", "1m1m", "-1m", "1 m", "5x", "1h30", "9999999999999999999y", "300000000y"})
    EXPECT_FALSE(ParsePrometheusDuration(bad)) << bad;
}

TEST(ParametersTest, LokiTimes) {
  EXPECT_EQ(*ParseLokiTime("1700000000"), 1700000000'000000000);
  EXPECT_EQ(*ParseLokiTime("1700000000000000001"), 1700000000'000000001);
  EXPECT_EQ(*ParseLokiTime("1700000000.5"), 1700000000'500000000);
  EXPECT_EQ(*ParseLokiTime("2023-11-14T22:13:20.000000001Z"), 1700000000'000000001);
  EXPECT_FALSE(ParseLokiTime("yesterday"));
  EXPECT_FALSE(ParseLokiTime(""));
}

TEST(ParametersTest, GoDurations) {
  EXPECT_EQ(*ParseGoDuration("1.5s"), 1'500'000'000);
  EXPECT_EQ(*ParseGoDuration("1h2m"), 3720'000'000'000);
  EXPECT_EQ(*ParseGoDuration("100us"), 100'000);
  EXPECT_EQ(*ParseGoDuration("100\u00b5s"), 100'000);
  EXPECT_EQ(*ParseGoDuration("7d"), 7 * 86400'000'000'000);
  EXPECT_EQ(*ParseGoDuration("30"), 30'000'000'000);
  for (const char* bad : {"", "s", "1x", "1..5s", "-", "99999999999999h"})
    EXPECT_FALSE(ParseGoDuration(bad)) << bad;
}

TEST(ParametersTest, TimesReadBack) {
  for (const std::int64_t ms : {0L, 1435781451781L, -1L, 951782400000L})
    EXPECT_EQ(*ParsePrometheusTime(FormatRfc3339(ms)), ms) << FormatRfc3339(ms);
  EXPECT_EQ(FormatRfc3339(1435781451781), "2015-07-01T20:10:51.781Z");
}

TEST(ParametersTest, NanosecondsSaturate) {
  EXPECT_EQ(NanosOf(1500), 1'500'000'000);
  EXPECT_EQ(NanosOf(INT64_MAX / 2), INT64_MAX);
  EXPECT_EQ(NanosOf(INT64_MIN / 2), INT64_MIN);
}

TEST(ParametersTest, Limits) {
  EXPECT_EQ(*ParseLimit(""), std::nullopt);
  EXPECT_EQ(*ParseLimit("10"), 10u);
  EXPECT_EQ(ParseLimit("-1").error().message(), "limit must be non-negative");
  EXPECT_FALSE(ParseLimit("ten"));
}

TEST(ParametersTest, EscapedLabelNames) {
  EXPECT_EQ(UnescapeLabelName("U__http_2e_method"), "http.method");
  EXPECT_EQ(UnescapeLabelName("U__a__b"), "a_b");
  EXPECT_EQ(UnescapeLabelName("U___1f600_"), "\U0001f600");
  EXPECT_EQ(UnescapeLabelName("plain_name"), "plain_name");
  EXPECT_EQ(UnescapeLabelName("U__broken_zz_"), "U__broken_zz_");
  EXPECT_EQ(UnescapeLabelName("U__open_2e"), "U__open_2e");
}

}  // namespace
}  // namespace enclave::observatory::api
