#include "telemetry/remote/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace enclave::telemetry::remote {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(AnswersTest, AMatrixOfPrometheus) {
  const auto series = ParseMatrix(
      R"({"status":"success","data":{"resultType":"matrix","result":[
          {"metric":{"__name__":"up","job":"a"},"values":[[1700000000.25,"1"],[1700000001,"+Inf"],[1700000002,"NaN"]]},
          {"metric":{"__name__":"h"},"histograms":[[1700000000,{"count":"1"}]]}]},"warnings":["w"]})");
  ASSERT_TRUE(series) << series.error().message();
  ASSERT_EQ(series->size(), 1U) << "a native histogram has no samples of this model";
  const ReadSeries& up = series->front();
  EXPECT_EQ(up.labels, (Labels{{"__name__", "up"}, {"job", "a"}}));
  ASSERT_EQ(up.samples.size(), 3U);
  EXPECT_EQ(up.samples[0].time_ms, 1'700'000'000'250);
  EXPECT_EQ(up.samples[0].value, 1);
  EXPECT_TRUE(std::isinf(up.samples[1].value));
  EXPECT_TRUE(std::isnan(up.samples[2].value));
}

TEST(AnswersTest, WhatIsNoAnswerSaysSo) {
  for (
      const char* body :
      {"", "<html>502</html>", "[]", "{}", R"({"status":"success"})",
       R"({"status":"success","data":{"resultType":"scalar","result":[1,"1"]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"values":[]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1]]}]}})"}) {
    const auto series = ParseMatrix(body);
    ASSERT_FALSE(series) << body;
    EXPECT_EQ(series.error().kind(), base::ErrorKind::kUnavailable);
  }
  EXPECT_THAT(ParseMatrix(R"({"status":"error","errorType":"timeout","error":"too slow"})")
                  .error()
                  .message(),
              HasSubstr("too slow"));
  std::vector<Span> spans;
  EXPECT_FALSE(ParseTrace("{\"batches\":[]}", spans));
}

TEST(AnswersTest, StreamsOfLokiWithAndWithoutCategories) {
  const auto read = ParseStreams(
      R"({"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[
          {"stream":{"app":"cart"},"values":[
            ["1700000000000000001","a",{"structuredMetadata":{"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"00f067aa0ba902b7","level":"error"}}],
            ["1700000000000000002","b",{"traceID":"af7651916cd43dd8448eb211c80319c"}],
            ["1700000000000000003","c"]]}],"stats":{}}})");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_THAT(read->streams, ElementsAre(Labels{{"app", "cart"}}));
  ASSERT_EQ(read->lines.size(), 3U);
  const LogRecord& first = read->lines[0].record;
  EXPECT_EQ(first.time_ns, 1'700'000'000'000'000'001);
  EXPECT_EQ(first.metadata, (Labels{{"level", "error"}}));
  ASSERT_TRUE(first.trace_id && first.span_id);
  EXPECT_EQ(first.trace_id->ToString(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(read->lines[1].record.trace_id, first.trace_id) << "leading zeros are left out";
  EXPECT_FALSE(read->lines[2].record.trace_id);
}

TEST(AnswersTest, SearchesOfTempo) {
  const auto ids = ParseSearch(
      R"({"traces":[{"traceID":"af7651916cd43dd8448eb211c80319c","rootServiceName":"web"}],"metrics":{}})");
  ASSERT_TRUE(ids) << ids.error().message();
  ASSERT_EQ(ids->size(), 1U);
  EXPECT_EQ(ids->front().ToString(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_THAT(*ParseSearch(R"({"metrics":{}})"), IsEmpty());
  EXPECT_FALSE(ParseSearch(R"({"traces":[{"traceID":"xyz"}]})"));
  EXPECT_THAT(*ParseTagValues(
                  R"({"tagValues":[{"type":"string","value":"b"},{"type":"string","value":"a"}]})"),
              ElementsAre("a", "b"));
}

TEST(AnswersTest, LabelsAndMetadata) {
  EXPECT_THAT(*ParseTexts(R"({"status":"success","data":["a","b"]})"), ElementsAre("a", "b"));
  EXPECT_THAT(*ParseTexts(R"({"status":"success","data":null})"), IsEmpty());
  EXPECT_THAT(*ParseLabelSets(R"({"status":"success","data":[{"app":"x"}]})"),
              ElementsAre(Labels{{"app", "x"}}));
  const auto metadata = ParseMetadata(
      R"({"status":"success","data":{"up":[{"type":"gauge","help":"is it up","unit":""}]}})");
  ASSERT_TRUE(metadata);
  EXPECT_EQ(metadata->at("up").front().type, MetricType::kGauge);
  const auto exemplars = ParseExemplars(
      R"({"status":"success","data":[{"seriesLabels":{"__name__":"m"},"exemplars":[
          {"labels":{"trace_id":"0af7651916cd43dd8448eb211c80319c","k":"v"},"value":"2.5","timestamp":1700000000.5}]}]})");
  ASSERT_TRUE(exemplars);
  const Exemplar& exemplar = exemplars->front().exemplars.front();
  EXPECT_EQ(exemplar.value, 2.5);
  EXPECT_EQ(exemplar.time_ms, 1'700'000'000'500);
  EXPECT_TRUE(exemplar.trace_id);
  EXPECT_EQ(exemplar.labels, (Labels{{"k", "v"}}));
}

}  // namespace
}  // namespace enclave::telemetry::remote
