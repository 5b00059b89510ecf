#include "observatory/ingest/otlp_json.h"

#include <cmath>

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "observatory/ingest/otlp.h"
#include "observatory/ingest/otlp_testing.h"

namespace enclave::observatory::ingest {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::StartsWith;

class OtlpJsonTest : public testing::Test {
 protected:
  template <typename Message>
  Message Read(std::string_view text) {
    Message message;
    const auto read = ReadOtlpJson(text, message, hold_);
    EXPECT_TRUE(read) << read.error().message();
    return message;
  }
  template <typename Message>
  std::string Fault(std::string_view text) {
    Message message;
    const auto read = ReadOtlpJson(text, message, hold_);
    EXPECT_FALSE(read) << text;
    if (read) return "";
    EXPECT_EQ(read.error().kind(), base::ErrorKind::kInvalidArgument);
    return read.error().message();
  }

  ByteBudget budget_{16 << 20};
  ByteBudget::Hold hold_{budget_};
};

TEST_F(OtlpJsonTest, ATraceIsTheSameAsInProtobuf) {
  TracesRequest expected;
  auto& group = *expected.add_resource_spans();
  Set(group.mutable_resource()->mutable_attributes(), "service.name", "checkout");
  auto& span = *group.add_scope_spans()->add_spans();
  span.set_trace_id(kTraceBytes);
  span.set_span_id(kSpanBytes);
  span.set_parent_span_id(kSpanBytes);
  span.set_name("Größe \"x\"");
  span.set_kind(opentelemetry::proto::trace::v1::Span::SPAN_KIND_CLIENT);
  span.set_start_time_unix_nano(1'544'712'660'000'000'001);
  span.set_end_time_unix_nano(1'544'712'661'000'000'000);
  span.set_flags(257);
  span.mutable_status()->set_code(opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  auto& attribute = *span.add_attributes();
  attribute.set_key("all");
  auto& values = *attribute.mutable_value()->mutable_array_value();
  values.add_values()->set_int_value(-5);
  values.add_values()->set_double_value(1.5);
  values.add_values()->set_bool_value(true);
  values.add_values()->set_bytes_value(std::string("\xfb\xff", 2));
  values.add_values()->mutable_kvlist_value()->add_values()->set_key("k");

  const auto read = Read<TracesRequest>(R"({
    "resourceSpans": [{
      "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]},
      "scopeSpans": [{
        "spans": [{
          "traceId": "5B8EFFF798038103D269B633813FC60C",
          "spanId": "eee19b7ec3c1b174",
          "parentSpanId": "EEE19b7ec3c1b174",
          "name": "Gr\u00f6\u00dfe \"x\"",
          "kind": 3,
          "startTimeUnixNano": "1544712660000000001",
          "endTimeUnixNano": 1544712661000000000,
          "flags": 257,
          "status": {"code": 2, "message": null},
          "attributes": [{"key": "all", "value": {"arrayValue": {"values": [
            {"intValue": "-5"}, {"doubleValue": 1.5}, {"boolValue": true},
            {"bytesValue": "+/8="}, {"kvlistValue": {"values": [{"key": "k"}]}}]}}}],
          "somethingNew": {"nested": [1, 2, {"x": null}]}
        }]
      }]
    }],
    "unknown": 1
  })");
  EXPECT_TRUE(MessageDifferencer::Equals(read, expected)) << read.DebugString();
}

TEST_F(OtlpJsonTest, MetricsTakeNumbersInEveryForm) {
  const auto read = Read<MetricsRequest>(R"({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
    {"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [{
      "timeUnixNano": "1544712661300000000", "count": "3", "sum": 4,
      "bucketCounts": ["1", 2, 0], "explicitBounds": [0.5, 1]}]}},
    {"name": "g", "gauge": {"dataPoints": [
      {"asDouble": "NaN"}, {"asDouble": "-Infinity"}, {"asInt": "-9223372036854775808"},
      {"asInt": 1e3}, {"asDouble": "2.5"}]}}]}]}]})");
  const auto& metrics = read.resource_metrics(0).scope_metrics(0).metrics();
  const auto& point = metrics[0].histogram().data_points(0);
  EXPECT_EQ(metrics[0].histogram().aggregation_temporality(), 2);
  EXPECT_EQ(point.count(), 3u);
  EXPECT_EQ(point.sum(), 4);
  EXPECT_THAT(point.bucket_counts(), testing::ElementsAre(1, 2, 0));
  EXPECT_THAT(point.explicit_bounds(), testing::ElementsAre(0.5, 1));
  const auto& points = metrics[1].gauge().data_points();
  EXPECT_TRUE(std::isnan(points[0].as_double()));
  EXPECT_EQ(points[1].as_double(), -INFINITY);
  EXPECT_EQ(points[2].as_int(), INT64_MIN);
  EXPECT_EQ(points[3].as_int(), 1000);
  EXPECT_EQ(points[4].as_double(), 2.5);
}

TEST_F(OtlpJsonTest, KeysAreLowerCamelCaseAlone) {
  const auto read = Read<TracesRequest>(R"({"resource_spans": [{}]})");
  EXPECT_EQ(read.resource_spans_size(), 0) << "an unknown key, ignored";
}

TEST_F(OtlpJsonTest, FaultsSayWhereTheyAre) {
  const auto span = [](std::string_view member) {
    return R"({"resourceSpans":[{},{"scopeSpans":[{"spans":[{)" + std::string(member) + "}]}]}]}";
  };
  EXPECT_EQ(Fault<TracesRequest>(span(R"("traceId":"xyz1")")),
            "resourceSpans[1].scopeSpans[0].spans[0].traceId: \"xyz1\" is not hexadecimal");
  EXPECT_THAT(Fault<TracesRequest>(span(R"("traceId":"abc")")), HasSubstr("even number"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("kind":"SPAN_KIND_SERVER")")),
              HasSubstr("spans[0].kind: enums are numbers"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("startTimeUnixNano":"-1")")),
              HasSubstr("startTimeUnixNano: \"-1\" is not an integer of the field's range"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("startTimeUnixNano":1.5)")), HasSubstr("range"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("startTimeUnixNano":true)")), HasSubstr("expected"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("name":7)")), HasSubstr("name: text is expected"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("attributes":{})")),
              HasSubstr("attributes: an array is expected"));
  EXPECT_THAT(Fault<TracesRequest>(span(R"("status":[])")),
              HasSubstr("status: an object is expected"));
  EXPECT_THAT(Fault<TracesRequest>("[]"), HasSubstr("an object is expected"));
  EXPECT_THAT(Fault<TracesRequest>("{\"resourceSpans\":["), StartsWith("reading the body as JSON"));
  EXPECT_THAT(Fault<TracesRequest>(""), StartsWith("reading the body as JSON"));
  EXPECT_THAT(Fault<TracesRequest>("{\"a\":\"\xff\"}"), StartsWith("reading the body as JSON"));
}

TEST_F(OtlpJsonTest, DepthIsBounded) {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += R"({"arrayValue":{"values":[)";
  EXPECT_THAT(
      Fault<LogsRequest>(R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":)" + deep),
      StartsWith("reading the body as JSON"));
}

TEST_F(OtlpJsonTest, ManySmallThingsArePaidFor) {
  std::string text = R"({"resourceLogs":[)";
  for (int i = 0; i < 300'000; ++i) text += "{},";
  text += "{}]}";
  LogsRequest message;
  const auto read = ReadOtlpJson(text, message, hold_);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind(), base::ErrorKind::kTooLarge);
}

}  // namespace
}  // namespace enclave::observatory::ingest
