#include "tempo_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api_fixture.h"
#include "trace_format.h"

namespace enclave::observatory::api {
namespace {

using testing::HasSubstr;

const char* const kTempoTrace = "0af7651916cd43dd8448eb211c80319c";
const char* const kTempoOther = "11111111111111112222222222222222";
constexpr std::int64_t kTempoStart = 1'700'000'000'000'000'000;

class TempoApiTest : public ApiTest {
 protected:
  TempoApiTest() {
    traces_.spans = {
        {.trace_id = TraceIdOf(kTempoTrace),
         .span_id = SpanIdOf("00000000000000a1"),
         .name = "GET /",
         .kind = telemetry::SpanKind::kServer,
         .start_ns = kTempoStart,
         .end_ns = kTempoStart + 2'500'000'000,
         .scope = "http",
         .resource = {{"service.name", std::string("frontend")}},
         .attributes = {{"http.status_code", std::int64_t{500}}, {"zone", std::string("a")}}},
        {.trace_id = TraceIdOf(kTempoTrace),
         .span_id = SpanIdOf("00000000000000b2"),
         .parent_id = SpanIdOf("00000000000000a1"),
         .name = "GetCart",
         .kind = telemetry::SpanKind::kClient,
         .status = telemetry::SpanStatus::kError,
         .status_message = "no cart",
         .start_ns = kTempoStart + 1000,
         .end_ns = kTempoStart + 1'000'001'000,
         .resource = {{"service.name", std::string("cart")}},
         .attributes = {{"retry", true}},
         .events = {{.time_ns = kTempoStart + 2000,
                     .name = "exception",
                     .attributes = {{"exception.type", std::string("Empty")}}}}},
        {.trace_id = TraceIdOf(kTempoOther),
         .span_id = SpanIdOf("00000000000000c3"),
         .name = "tick",
         .start_ns = kTempoStart + 5'000'000'000,
         .end_ns = kTempoStart + 5'010'000'000,
         .resource = {{"service.name", std::string("cron")}}},
    };
    api_.AddRoutes(&routes_);
  }

  FakeTraces traces_;
  TempoApi api_{traces_, clock_};
};

TEST_F(TempoApiTest, ATraceAsOtlpJson) {
  const net::Response response = Get(std::string("/api/v2/traces/") + kTempoTrace);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(
      response.body,
      R"({"trace":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":)"
      R"({"stringValue":"frontend"}}]},"scopeSpans":[{"scope":{"name":"http"},"spans":[{"traceId":)"
      R"("0af7651916cd43dd8448eb211c80319c","spanId":"00000000000000a1","name":"GET /","kind":2,)"
      R"("startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000002500000000",)"
      R"("attributes":[{"key":"http.status_code","value":{"intValue":"500"}},{"key":"zone","value":)"
      R"({"stringValue":"a"}}],"status":{}}]}]},{"resource":{"attributes":[{"key":"service.name",)"
      R"("value":{"stringValue":"cart"}}]},"scopeSpans":[{"scope":{},"spans":[{"traceId":)"
      R"("0af7651916cd43dd8448eb211c80319c","spanId":"00000000000000b2","parentSpanId":)"
      R"("00000000000000a1","name":"GetCart","kind":3,"startTimeUnixNano":"1700000000000001000",)"
      R"("endTimeUnixNano":"1700000001000001000","attributes":[{"key":"retry","value":)"
      R"({"boolValue":true}}],"events":[{"timeUnixNano":"1700000000000002000","name":"exception",)"
      R"("attributes":[{"key":"exception.type","value":{"stringValue":"Empty"}}]}],"status":)"
      R"({"message":"no cart","code":2}}]}]}]},"metrics":{}})");
  EXPECT_THAT(Get(std::string("/api/traces/") + kTempoTrace).body,
              testing::StartsWith("{\"batches\":["));
}

TEST_F(TempoApiTest, ATraceAsProtobuf) {
  const net::Response v1 =
      Get(std::string("/api/traces/") + kTempoTrace, {{"Accept", "application/protobuf"}});
  EXPECT_EQ(v1.headers.at("Content-Type"), "application/protobuf");
  EXPECT_EQ(v1.body, ResourceSpansProto(*traces_.Trace(TraceIdOf(kTempoTrace))));
  // ResourceSpans is field 1 of the trace; the trace is field 1 of v2's answer.
  ASSERT_GT(v1.body.size(), 127u);
  EXPECT_EQ(v1.body[0], '\x0a');
  const net::Response v2 =
      Get(std::string("/api/v2/traces/") + kTempoTrace, {{"Accept", "application/protobuf"}});
  EXPECT_EQ(v2.body.size(), v1.body.size() + 3) << "a tag and a length of two bytes";
  EXPECT_TRUE(v2.body.ends_with(v1.body));
}

TEST_F(TempoApiTest, TracesThatAreNone) {
  EXPECT_EQ(Get("/api/traces/99999999999999999999999999999999").status, 404);
  EXPECT_EQ(Get("/api/traces/xyz").status, 400);
}

// More spans than are held at once, most of them of one instant.
TEST_F(TempoApiTest, SearchGoesOnBackInTime) {
  const telemetry::Span busy = traces_.spans[0];
  for (std::uint64_t i = 0; i < 5000; ++i) {
    telemetry::Span span = busy;
    span.trace_id = TraceIdOf(fmt::format("{:032x}", 1000 + i % 3));
    span.span_id = SpanIdOf(fmt::format("{:016x}", 1000 + i));
    span.start_ns = kTempoStart + 60'000'000'000 + (i < 100 ? static_cast<std::int64_t>(i) : 100);
    span.end_ns = span.start_ns + 1;
    traces_.spans.push_back(std::move(span));
  }
  const std::string all = Get("/api/search?limit=50").body;
  EXPECT_THAT(all, HasSubstr(kTempoTrace));
  EXPECT_THAT(all, HasSubstr(kTempoOther));
  EXPECT_THAT(all, HasSubstr("\"inspectedTraces\":5"));
}

TEST_F(TempoApiTest, SearchAnswersTracesNewestFirst) {
  EXPECT_EQ(
      Get("/api/search?limit=5").body,
      R"({"traces":[{"traceID":"11111111111111112222222222222222","rootServiceName":"cron",)"
      R"("rootTraceName":"tick","startTimeUnixNano":"1700000005000000000","durationMs":10,)"
      R"("spanSets":[{"spans":[{"spanID":"00000000000000c3","name":"tick","startTimeUnixNano":)"
      R"("1700000005000000000","durationNanos":"10000000","attributes":[{"key":"service.name",)"
      R"("value":{"stringValue":"cron"}}]}],"matched":1}]},{"traceID":)"
      R"("0af7651916cd43dd8448eb211c80319c","rootServiceName":"frontend","rootTraceName":"GET /",)"
      R"("startTimeUnixNano":"1700000000000000000","durationMs":2500,"spanSets":[{"spans":)"
      R"([{"spanID":"00000000000000a1","name":"GET /","startTimeUnixNano":"1700000000000000000",)"
      R"("durationNanos":"2500000000","attributes":[{"key":"service.name","value":{"stringValue":)"
      R"("frontend"}}]},{"spanID":"00000000000000b2","name":"GetCart","startTimeUnixNano":)"
      R"("1700000000000001000","durationNanos":"1000000000","attributes":[{"key":"service.name",)"
      R"("value":{"stringValue":"cart"}}]}],"matched":2}]}],"metrics":{"inspectedTraces":2,)"
      R"("inspectedSpans":"3"}})");
}

TEST_F(TempoApiTest, SearchByQueryAndByTags) {
  for (const char* found :
       {"q=%7B%20resource.service.name%20%3D%20%22cart%22%20%7D",
        "q=%7B%20status%20%3D%20error%20%7D", "tags=zone%3Da",
        "tags=service.name%3Dcart%20error%3Dtrue", "minDuration=1s",
        "q=%7B%20.http.status_code%20%3E%3D%20500%20%7D", "start=1700000000&end=1700000002",
        "q=%7B%20rootServiceName%20%3D%20%22frontend%22%20%7D"})
    EXPECT_THAT(Get(std::string("/api/search?") + found).body,
                testing::AllOf(HasSubstr(kTempoTrace), testing::Not(HasSubstr(kTempoOther))))
        << found;
  EXPECT_THAT(Get("/api/search?maxDuration=1s").body,
              testing::AllOf(HasSubstr(kTempoOther), testing::Not(HasSubstr(kTempoTrace))));
  EXPECT_THAT(Get("/api/search?q=%7B%20name%20%3D%20%22none%22%20%7D").body,
              HasSubstr("\"traces\":[]"));
  EXPECT_THAT(Get("/api/search?limit=1").body, testing::Not(HasSubstr(kTempoTrace)));
}

TEST_F(TempoApiTest, SearchesThatCannotBeAnswered) {
  EXPECT_EQ(Get("/api/search?q=%7B%7D%20%7C%20count()%20%3E%201").status, 422);
  EXPECT_EQ(Get("/api/search?q=%7B").status, 400);
  EXPECT_EQ(Get("/api/search?minDuration=long").status, 400);
  EXPECT_EQ(Get("/api/search?start=20&end=10").status, 400);
  EXPECT_EQ(Get("/api/search?limit=-3").status, 400);
  EXPECT_EQ(Get("/api/metrics/query_range").status, 501);
}

TEST_F(TempoApiTest, TagsAndTheirValues) {
  EXPECT_EQ(Get("/api/search/tags").body,
            R"({"tagNames":["http.status_code","retry","service.name","zone"]})");
  EXPECT_THAT(
      Get("/api/v2/search/tags").body,
      testing::StartsWith(R"({"scopes":[{"name":"resource","tags":["service.name"]},)"
                          R"({"name":"span","tags":["http.status_code","retry","zone"]},)"));
  EXPECT_EQ(Get("/api/search/tag/service.name/values").body,
            R"({"tagValues":["cart","cron","frontend"]})");
  EXPECT_EQ(Get("/api/v2/search/tag/span.http.status_code/values").body,
            R"({"tagValues":[{"type":"int","value":"500"}]})");
  EXPECT_EQ(Get("/api/v2/search/tag/resource.zone/values").body, R"({"tagValues":[]})");
  EXPECT_EQ(Get("/api/v2/search/tag/.zone/values").body,
            R"({"tagValues":[{"type":"string","value":"a"}]})");
  EXPECT_EQ(Get("/api/v2/search/tag/status/values").body,
            R"({"tagValues":[{"type":"keyword","value":"error"},{"type":"keyword","value":"ok"},)"
            R"({"type":"keyword","value":"unset"}]})");
  EXPECT_EQ(Get("/api/search/tag/rootName/values").body, R"({"tagValues":["GET /","tick"]})");
}

}  // namespace
}  // namespace enclave::observatory::api
