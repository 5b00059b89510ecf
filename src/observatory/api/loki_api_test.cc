#include "loki_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api_fixture.h"

namespace enclave::observatory::api {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kLokiNow = 1'700'000'000'000'000'000;

class LokiApiTest : public ApiTest {
 protected:
  LokiApiTest() {
    logs_.records = {
        {{{"app", "cart"}, {"namespace", "shop"}},
         {.time_ns = kLokiNow - 3'000'000'000, .line = "added \"tea\""}},
        {{{"app", "cart"}, {"namespace", "shop"}},
         {.time_ns = kLokiNow - 2'000'000'000, .line = "error: full"}},
        {{{"app", "web"}}, {.time_ns = kLokiNow - 1'000'000'000, .line = "GET /"}},
    };
    api_.AddRoutes(&routes_);
  }

  FakeLogs logs_;
  logql::Engine engine_{logs_};
  LokiApi api_{engine_, logs_, clock_};
};

TEST_F(LokiApiTest, LinesOfAStream) {
  EXPECT_THAT(
      Get("/loki/api/v1/query_range?query=%7Bapp%3D%22cart%22%7D&limit=10").body,
      testing::StartsWith(
          R"({"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"cart",)"
          R"("namespace":"shop"},"values":[["1699999998000000000","error: full"],)"
          R"(["1699999997000000000","added \"tea\""]]}],"stats":)"));
  EXPECT_THAT(
      PostForm("/loki/api/v1/query_range", "query=%7Bapp%3D%22cart%22%7D&direction=forward&limit=1")
          .body,
      HasSubstr(R"("values":[["1699999997000000000","added \"tea\""]])"));
  EXPECT_THAT(
      Get("/loki/api/v1/query_range?query=%7Bapp%3D%22cart%22%7D%20%7C%3D%20%22error%22").body,
      testing::AllOf(HasSubstr("error: full"), testing::Not(HasSubstr("tea"))));
}

TEST_F(LokiApiTest, NumbersOfLines) {
  EXPECT_THAT(
      Get("/loki/api/v1/"
          "query?query=sum%20by%20(app)%20(count_over_time(%7Bapp%3D%22cart%22%7D%5B1m%5D))"
          "&time=1700000000")
          .body,
      HasSubstr(
          R"("resultType":"vector","result":[{"metric":{"app":"cart"},"value":[1700000000,"2"]}])"));
  EXPECT_THAT(
      Get("/loki/api/v1/query_range?query=sum(count_over_time(%7Bapp%3D%22cart%22%7D%5B1m%5D))"
          "&start=1699999990&end=1700000000&step=10s")
          .body,
      HasSubstr(R"("resultType":"matrix","result":[{"metric":{},"values":[[1700000000,"2"]]}])"));
  // What Grafana asks to see whether a data source works.
  EXPECT_THAT(Get("/loki/api/v1/query?query=vector(1)%2Bvector(1)&time=4000000000").body,
              HasSubstr(R"("result":[{"metric":{},"value":[4000000000,"2"]}])"));
}

TEST_F(LokiApiTest, WhatThereIs) {
  EXPECT_EQ(Get("/loki/api/v1/labels").body, R"({"status":"success","data":["app","namespace"]})");
  EXPECT_EQ(Get("/loki/api/v1/labels?query=%7Bapp%3D%22web%22%7D").body,
            R"({"status":"success","data":["app"]})");
  EXPECT_EQ(Get("/loki/api/v1/label/app/values").body,
            R"({"status":"success","data":["cart","web"]})");
  EXPECT_EQ(Get("/loki/api/v1/label/app/values?query=%7Bnamespace%3D%22shop%22%7D").body,
            R"({"status":"success","data":["cart"]})");
  EXPECT_EQ(Get("/loki/api/v1/series?match[]=%7Bapp%3D~%22w.*%22%7D").body,
            R"({"status":"success","data":[{"app":"web"}]})");
  EXPECT_EQ(Get("/loki/api/v1/index/stats?query=%7Bapp%3D%22cart%22%7D").body,
            R"({"streams":1,"chunks":1,"entries":2,"bytes":22})");
  EXPECT_THAT(Get("/loki/api/v1/index/volume?query=%7Bapp%3D~%22.%2B%22%7D").body,
              HasSubstr(R"({"metric":{"app":"cart"},"value":[1700000000,"22"]})"));
}

TEST_F(LokiApiTest, QueriesThatCannotBeAnswered) {
  for (const char* bad :
       {"query_range", "query_range?query=%7B", "query_range?query=%7Bapp%3D%22a%22%7D&limit=-1",
        "query_range?query=%7Bapp%3D%22a%22%7D&direction=up",
        "query_range?query=%7Bapp%3D%22a%22%7D&start=20&end=10",
        "query_range?query=%7Bapp%3D%22a%22%7D&step=0", "query?query=%7Bapp%3D%22a%22%7D",
        "series?match[]=rate(%7Ba%3D%22b%22%7D%5B1m%5D)", "labels?start=never"})
    EXPECT_EQ(Get(std::string("/loki/api/v1/") + bad).status, 400) << bad;
  const net::Response tail = Get("/loki/api/v1/tail");
  EXPECT_EQ(tail.status, 501);
  EXPECT_THAT(tail.body, HasSubstr("tail"));
}

}  // namespace
}  // namespace enclave::observatory::api
