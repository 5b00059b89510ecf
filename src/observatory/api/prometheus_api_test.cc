#include "prometheus_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "api_fixture.h"
#include "status_api.h"

namespace enclave::observatory::api {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNow = 1'700'000'000'000;

class PrometheusApiTest : public ApiTest {
 protected:
  PrometheusApiTest() {
    metrics_.series = {
        {{{"__name__", "up"}, {"job", "a"}}, {{kNow - 60'000, 1}, {kNow - 500, 0}}},
        {{{"__name__", "up"}, {"job", "b"}}, {{kNow - 60'000, 1}, {kNow - 500, 1}}},
        {{{"__name__", "odd"}, {"http.method", "GET"}},
         {{kNow - 90'000, NAN}, {kNow - 60'000, INFINITY}, {kNow - 30'000, 0.1}}},
    };
    metrics_.metadata = {{"up", {{telemetry::MetricType::kGauge, "Is it up?", ""}}},
                         {"x_seconds", {{telemetry::MetricType::kCounter, "\"x\"", "seconds"}}}};
    metrics_.exemplars = {{{{"__name__", "up"}, {"job", "a"}},
                           {{.labels = {{"k", "v"}},
                             .value = 0.25,
                             .time_ms = kNow - 1500,
                             .trace_id = TraceIdOf("0af7651916cd43dd8448eb211c80319c")}}}};
    api_.AddRoutes(&routes_);
    status_.AddRoutes(&routes_);
  }

  FakeMetrics metrics_;
  promql::Engine engine_{metrics_, {}, clock_};
  PrometheusApi api_{engine_, metrics_, clock_};
  StatusApi status_{{.version = "1.2.3",
                     .config_yaml = "global: {}\n",
                     .flags = {{"a", "b"}},
                     .retention = "15d"},
                    metrics_,
                    clock_};
};

TEST_F(PrometheusApiTest, InstantQueries) {
  EXPECT_EQ(Get("/api/v1/query?query=up%7Bjob%3D%22a%22%7D&time=1700000000").body,
            R"({"status":"success","data":{"resultType":"vector","result":[{"metric":)"
            R"({"__name__":"up","job":"a"},"value":[1700000000,"0"]}]}})");
  EXPECT_EQ(
      Get("/api/v1/query?query=1%2B0.5&time=1700000000.25").body,
      R"({"status":"success","data":{"resultType":"scalar","result":[1700000000.250,"1.5"]}})");
  EXPECT_EQ(Get("/api/v1/query?query=%22text%22&time=0").body,
            R"({"status":"success","data":{"resultType":"string","result":[0,"text"]}})");
  EXPECT_EQ(Get("/api/v1/query?query=nothing").body,
            R"({"status":"success","data":{"resultType":"vector","result":[]}})");
  EXPECT_EQ(Get("/api/v1/query?query=up%7Bjob%3D%22a%22%7D%5B2m%5D").body,
            R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":)"
            R"({"__name__":"up","job":"a"},"values":[[1699999940,"1"],[1699999999.500,"0"]]}]}})");
}

TEST_F(PrometheusApiTest, FormsAndTimesOfAllKinds) {
  const std::string expected = Get("/api/v1/query?query=up&time=1700000000").body;
  EXPECT_EQ(PostForm("/api/v1/query", "query=up&time=2023-11-14T22:13:20Z").body, expected);
  EXPECT_EQ(PostForm("/api/v1/query", "query=up").body, expected) << "the clock's time";
}

TEST_F(PrometheusApiTest, RangeQueries) {
  EXPECT_EQ(
      Get("/api/v1/query_range?query=odd&start=1699999910&end=1700000000&step=30").body,
      R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"odd",)"
      R"("http.method":"GET"},"values":[[1699999910,"NaN"],[1699999940,"+Inf"],[1699999970,"0.1"],)"
      R"([1700000000,"0.1"]]}]}})");
}

TEST_F(PrometheusApiTest, AnswersCutToALimitSaySo) {
  const std::string body = Get("/api/v1/query?query=up&limit=1").body;
  EXPECT_THAT(body, HasSubstr(R"("warnings":["results truncated due to limit"])"));
  EXPECT_THAT(Get("/api/v1/query?query=up&limit=2").body, testing::Not(HasSubstr("warnings")));
  EXPECT_EQ(Get("/api/v1/label/job/values?limit=1").body,
            R"({"status":"success","data":["a"],"warnings":["results truncated due to limit"]})");
}

TEST_F(PrometheusApiTest, ErrorsAreThoseOfPrometheus) {
  const auto expect = [&](const std::string& target, int status, const char* type,
                          const char* text) {
    const net::Response response = Get(target);
    EXPECT_EQ(response.status, status) << target;
    EXPECT_THAT(response.body, testing::StartsWith(fmt::format(
                                   R"({{"status":"error","errorType":"{}","error":")", type)))
        << target;
    EXPECT_THAT(response.body, HasSubstr(text)) << target;
  };
  expect("/api/v1/query?query=up(", 400, "bad_data", R"(invalid parameter \"query\": )");
  expect("/api/v1/query", 400, "bad_data", "query");
  expect(
      "/api/v1/query?query=up&time=x", 400, "bad_data",
      R"(invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid)");
  expect("/api/v1/query?query=up&limit=-1", 400, "bad_data", "limit must be non-negative");
  expect("/api/v1/query?query=up&timeout=x", 400, "bad_data", R"(invalid parameter \"timeout\")");
  expect("/api/v1/query_range?query=up&start=10&end=5&step=1", 400, "bad_data",
         "end timestamp must not be before start time");
  expect("/api/v1/query_range?query=up&start=1&end=5&step=0", 400, "bad_data",
         "zero or negative query resolution step widths are not accepted");
  expect("/api/v1/query_range?query=up&start=0&end=100000&step=1", 400, "bad_data",
         "exceeded maximum resolution of 11,000 points");
  expect("/api/v1/query_range?query=up&start=1&end=5", 400, "bad_data",
         R"(invalid parameter \"step\")");
  expect("/api/v1/series", 400, "bad_data", "no match[] parameter provided");
  expect("/api/v1/series?match[]=%7Ba=~%22.*%22%7D", 400, "bad_data",
         "at least one non-empty matcher");
  expect("/api/v1/series?match[]=%7B", 400, "bad_data", R"(invalid parameter \"match[]\")");
  metrics_.broken = base::Error(base::ErrorKind::kUnavailable, "the disk is gone");
  expect("/api/v1/query?query=up", 503, "unavailable", "the disk is gone");
}

TEST_F(PrometheusApiTest, WhatThereIs) {
  EXPECT_EQ(Get("/api/v1/series?match[]=up&match[]=odd").body,
            R"({"status":"success","data":[{"__name__":"odd","http.method":"GET"},)"
            R"({"__name__":"up","job":"a"},{"__name__":"up","job":"b"}]})");
  EXPECT_EQ(Get("/api/v1/labels").body,
            R"({"status":"success","data":["__name__","http.method","job"]})");
  EXPECT_EQ(PostForm("/api/v1/labels", "match[]=up").body,
            R"({"status":"success","data":["__name__","job"]})");
  EXPECT_EQ(Get("/api/v1/label/U__http_2e_method/values").body,
            R"({"status":"success","data":["GET"]})");
  EXPECT_EQ(Get("/api/v1/metadata").body,
            R"({"status":"success","data":{"up":[{"type":"gauge","help":"Is it up?","unit":""}],)"
            R"("x_seconds":[{"type":"counter","help":"\"x\"","unit":"seconds"}]}})");
  EXPECT_EQ(
      Get("/api/v1/metadata?metric=up&limit=1").body,
      R"({"status":"success","data":{"up":[{"type":"gauge","help":"Is it up?","unit":""}]}})");
}

TEST_F(PrometheusApiTest, Exemplars) {
  EXPECT_EQ(
      Get("/api/v1/query_exemplars?query=rate(up%5B5m%5D)%20%2F%202&start=0&end=1800000000").body,
      R"({"status":"success","data":[{"seriesLabels":{"__name__":"up","job":"a"},"exemplars":)"
      R"([{"labels":{"k":"v","trace_id":"0af7651916cd43dd8448eb211c80319c"},"value":"0.25",)"
      R"("timestamp":1699999998.500}]}]})");
  EXPECT_EQ(Get("/api/v1/query_exemplars?query=1").body, R"({"status":"success","data":[]})");
  EXPECT_EQ(Get("/api/v1/query_exemplars?query=(").status, 400);
}

TEST_F(PrometheusApiTest, QueriesFormattedAndParsed) {
  EXPECT_EQ(Get("/api/v1/format_query?query=up%2F2").body,
            R"({"status":"success","data":"up / 2"})");
  EXPECT_EQ(
      Get("/api/v1/parse_query?query=sum%20by%20(job)%20(rate(up%5B1m%5D%20offset%205s))").body,
      R"({"status":"success","data":{"type":"aggregation","op":"sum","grouping":["job"],)"
      R"("without":false,"param":null,"expr":{"type":"call","func":{"name":"rate","argTypes":)"
      R"(["matrix"],"variadic":0,"returnType":"vector"},"args":[{"type":"matrixSelector","range":)"
      R"(60000,"name":"up","matchers":[{"type":"=","name":"__name__","value":"up"}],"offset":5000,)"
      R"("timestamp":null,"startOrEnd":null}]}}})");
  EXPECT_EQ(Get("/api/v1/parse_query?query=foo(").status, 400);
}

TEST_F(PrometheusApiTest, Federation) {
  const net::Response page = Get("/federate?match[]=up&match[]=%7Bjob%3D%22a%22%7D");
  EXPECT_EQ(page.body,
            "# TYPE up untyped\n"
            "up{job=\"a\"} 0 1699999999500\n"
            "up{job=\"b\"} 1 1699999999500\n");
  EXPECT_EQ(Get("/federate").status, 400);
}

TEST_F(PrometheusApiTest, Status) {
  EXPECT_THAT(Get("/api/v1/status/buildinfo").body, HasSubstr(R"("version":"3.)"));
  EXPECT_EQ(Get("/api/v1/status/config").body,
            R"({"status":"success","data":{"yaml":"global: {}\n"}})");
  EXPECT_EQ(Get("/api/v1/status/flags").body, R"({"status":"success","data":{"a":"b"}})");
  EXPECT_THAT(Get("/api/v1/status/runtimeinfo").body,
              HasSubstr(R"("startTime":"2023-11-14T22:13:20.000Z")"));
  EXPECT_THAT(Get("/api/v1/status/tsdb?limit=1").body,
              HasSubstr(R"("seriesCountByMetricName":[{"name":"up","value":2}])"));
  EXPECT_EQ(Get("/api/v1/status/tsdb?limit=0").status, 400);
  EXPECT_EQ(Get("/-/ready").status, 200);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("observatory_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(Get("/").body, HasSubstr("<h1>Observatory</h1>"));
}

}  // namespace
}  // namespace enclave::observatory::api
