#include "observatory/ingest/loki_push.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/ingest/remote_testing.h"

namespace enclave::observatory::ingest {
namespace {

using protozero::pbf_writer;
using telemetry::Labels;
using testing::HasSubstr;
using testing::StartsWith;

class LokiPushTest : public testing::Test {
 protected:
  LokiPush Json(std::string_view text) {
    auto push = ReadLokiJson(text, hold_);
    EXPECT_TRUE(push) << push.error().message();
    return push ? std::move(*push) : LokiPush{};
  }
  std::string JsonFault(std::string_view text) {
    const auto push = ReadLokiJson(text, hold_);
    EXPECT_FALSE(push) << text;
    return push ? "" : push.error().message();
  }

  ByteBudget budget_{16 << 20};
  ByteBudget::Hold hold_{budget_};
};

TEST_F(LokiPushTest, JsonWithStructuredMetadata) {
  const LokiPush push = Json(R"({"streams": [
    {"stream": {"app": "api", "pod": "a-1"}, "values": [
      ["1700000000000000001", "first \u00e9"],
      ["1700000000000000002", "second", {"user": "u1", "span_id": "eee19b7ec3c1b174",
                                         "trace_id": "5b8efff798038103d269b633813fc60c"}],
      ["1700000000000000003", "third", {"trace_id": "not an id"}]]},
    {"stream": {"app": "web"}, "values": []}]})");
  EXPECT_EQ(push.records, 3u);
  ASSERT_EQ(push.batch.streams.size(), 1u);
  EXPECT_EQ(push.batch.streams[0].labels, (Labels{{"app", "api"}, {"pod", "a-1"}}));
  const auto& records = push.batch.streams[0].records;
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].time_ns, 1'700'000'000'000'000'001);
  EXPECT_EQ(records[0].line, "first é");
  EXPECT_EQ(records[1].metadata, (Labels{{"user", "u1"}}));
  EXPECT_EQ(records[1].trace_id->ToString(), "5b8efff798038103d269b633813fc60c");
  EXPECT_EQ(records[1].span_id->ToString(), "eee19b7ec3c1b174");
  EXPECT_FALSE(records[2].trace_id);
  EXPECT_EQ(records[2].metadata, (Labels{{"trace_id", "not an id"}}));
}

TEST_F(LokiPushTest, StreamsWithBadLabelsAreRefusedAlone) {
  const LokiPush push = Json(R"({"streams": [
    {"stream": {}, "values": [["1", "a"], ["2", "b"]]},
    {"stream": {"bad-name": "x"}, "values": [["1", "a"]]},
    {"stream": {"app": "x"}, "values": [["1", "a"]]}]})");
  EXPECT_EQ(push.records, 4u);
  EXPECT_EQ(push.refused.count, 3u);
  EXPECT_EQ(push.refused.why, "a stream has to have a label");
  EXPECT_EQ(push.batch.streams.size(), 1u);
}

TEST_F(LokiPushTest, JsonFaultsSayWhereTheyAre) {
  const auto entry = [](std::string_view value) {
    return R"({"streams":[{"stream":{"a":"b"},"values":[["1","x"],)" + std::string(value) + "]}]}";
  };
  EXPECT_THAT(JsonFault(entry(R"(["soon","x"])")),
              StartsWith("streams[0].values[1]: the time has to be text of nanoseconds"));
  EXPECT_THAT(JsonFault(entry(R"(["1"])")), HasSubstr("time, line and metadata"));
  EXPECT_THAT(JsonFault(entry(R"(["1",2])")), HasSubstr("the line has to be text"));
  EXPECT_THAT(JsonFault(entry(R"(["1","x",{"a":1}])")), HasSubstr("\"a\" has to be text"));
  EXPECT_THAT(JsonFault(entry(R"(["1","x",{},4])")), HasSubstr("time, line and metadata"));
  EXPECT_THAT(JsonFault(entry("{}")), HasSubstr("an entry is an array"));
  EXPECT_THAT(JsonFault(R"({"streams":[{"values":[]}]})"), StartsWith("streams[0].stream"));
  EXPECT_THAT(JsonFault(R"({"streams":[{"stream":{}}]})"), StartsWith("streams[0].values"));
  EXPECT_THAT(JsonFault(R"({"streams":[7]})"), StartsWith("streams[0]: an object"));
  EXPECT_THAT(JsonFault("{}"), HasSubstr("\"streams\""));
  EXPECT_THAT(JsonFault("{"), StartsWith("reading the body as JSON"));
}

TEST_F(LokiPushTest, ProtobufWithStructuredMetadata) {
  std::string body;
  pbf_writer request(body);
  AddStream(request, R"({app="api"})", 1'700'000'000, "line",
            {{"user", "u1"}, {"trace_id", "5b8efff798038103d269b633813fc60c"}});
  AddStream(request, R"({app="bad)", 1, "lost");
  AddStream(request, R"({app="raw"})", 1, "caf\xe9 \xff");
  request.add_string(2, "json");
  const auto push = ReadLokiProtobuf(body, hold_);
  ASSERT_TRUE(push) << push.error().message();
  EXPECT_EQ(push->records, 3u);
  EXPECT_EQ(push->refused.count, 1u);
  EXPECT_THAT(push->refused.why, HasSubstr("closing quote"));
  ASSERT_EQ(push->batch.streams.size(), 2u);
  EXPECT_EQ(push->batch.streams[0].labels, (Labels{{"app", "api"}}));
  const auto& record = push->batch.streams[0].records.at(0);
  EXPECT_EQ(record.time_ns, 1'700'000'000'000'000'005);
  EXPECT_EQ(record.line, "line");
  EXPECT_EQ(record.metadata, (Labels{{"user", "u1"}}));
  EXPECT_EQ(record.trace_id->ToString(), "5b8efff798038103d269b633813fc60c");
  EXPECT_EQ(push->batch.streams[1].records.at(0).line, "caf\uFFFD \uFFFD");
}

TEST_F(LokiPushTest, BrokenProtobufIsRefused) {
  std::string body;
  pbf_writer request(body);
  AddStream(request, R"({app="api"})", 1'700'000'000, "line");
  const auto cut = ReadLokiProtobuf(std::string_view(body).substr(0, body.size() - 1), hold_);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message(), StartsWith("stream 0 of logproto.PushRequest"));
  AddStream(request, R"({app="api"})", INT64_MAX / 2, "line");
  const auto late = ReadLokiProtobuf(body, hold_);
  ASSERT_FALSE(late);
  EXPECT_THAT(late.error().message(), HasSubstr("2262"));
}

TEST_F(LokiPushTest, ManySmallThingsArePaidFor) {
  std::string json = R"({"streams":[{"stream":{"a":"b"},"values":[)";
  for (int i = 0; i < 200'000; ++i) json += "[],";
  json += "[]]}]}";
  EXPECT_EQ(ReadLokiJson(json, hold_).error().kind(), base::ErrorKind::kTooLarge);
  ByteBudget::Hold hold(budget_);
  std::string entries;
  for (int i = 0; i < 200'000; ++i) entries += std::string_view("\x12\x00", 2);
  std::string body;
  pbf_writer(body).add_bytes(1, entries);
  const auto push = ReadLokiProtobuf(body, hold);
  ASSERT_FALSE(push);
}

}  // namespace
}  // namespace enclave::observatory::ingest
