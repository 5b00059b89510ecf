#include "telemetry/in_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace enclave::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<double> Values(SeriesSet& set, std::size_t index) {
  std::vector<Sample> samples{{1, 1}};  // Read replaces them
  EXPECT_TRUE(set.Read(index, samples));
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.value);
  return values;
}

Labels Named(const std::string& name, const std::string& service) {
  return {{"__name__", name}, {"service", service}};
}

TEST(InMemoryMetricsTest, SelectsByNameAndRangeBothEndsInclusive) {
  InMemoryMetrics metrics;
  metrics.Add(Named("up", "a"), {{1000, 1}, {2000, 2}, {3000, 3}});
  metrics.Add(Named("up", "b"), {{5000, 5}});
  metrics.Add(Named("down", "a"), {{2000, 9}});
  auto set = metrics.Select({Matcher::Equal("__name__", "up")}, {2000, 3000});
  ASSERT_TRUE(set);
  ASSERT_EQ((*set)->size(), 1u);
  EXPECT_EQ((*set)->labels(0), Named("up", "a"));
  EXPECT_THAT(Values(**set, 0), ElementsAre(2, 3));
  EXPECT_EQ((*metrics.Select({}, {0, 9000}))->size(), 3u);
  EXPECT_EQ((*metrics.Select({Matcher::Equal("__name__", "none")}, {0, 9000}))->size(), 0u);
  const auto regex = Matcher::Create(MatchOp::kRegex, "service", "a|c");
  EXPECT_EQ((*metrics.Select({*regex}, {0, 9000}))->size(), 2u);
}

TEST(InMemoryMetricsTest, SamplesComeInAnyOrderAndTheLastOfATimeStays) {
  InMemoryMetrics metrics;
  metrics.Add(Named("up", "a"), {{3000, 3}, {1000, 1}, {3000, 4}});
  metrics.Add(Named("up", "a"), {{2000, 2}, {1000, 7}});
  auto set = metrics.Select({}, {0, 9000});
  ASSERT_EQ((*set)->size(), 1u);
  EXPECT_THAT(Values(**set, 0), ElementsAre(7, 2, 4));
}

TEST(InMemoryMetricsTest, ASetDoesNotShowWhatIsAddedLater) {
  InMemoryMetrics metrics;
  metrics.Add(Named("up", "a"), {{1000, 1}});
  auto set = metrics.Select({}, {0, 9000});
  metrics.Add(Named("up", "a"), {{2000, 2}});
  EXPECT_THAT(Values(**set, 0), ElementsAre(1));
}

TEST(InMemoryMetricsTest, LabelsSeriesAndMetadata) {
  InMemoryMetrics metrics;
  metrics.Add(Named("up", "b"), {{1000, 1}});
  metrics.Add(Named("up", "a"), {{1000, 1}});
  metrics.SetMetadata("up", {.type = MetricType::kGauge, .help = "h"});
  EXPECT_THAT(*metrics.LabelValues("service", {}, {0, 2000}), ElementsAre("a", "b"));
  EXPECT_THAT(*metrics.LabelValues("service", {}, {2000, 3000}), IsEmpty());
  EXPECT_THAT(*metrics.LabelNames({{Matcher::Equal("service", "a")}}, {0, 2000}),
              ElementsAre("__name__", "service"));
  EXPECT_THAT(*metrics.Series({{Matcher::Equal("service", "a")}, {Matcher::Equal("service", "b")}},
                              {0, 2000}, 10),
              UnorderedElementsAre(Named("up", "a"), Named("up", "b")));
  EXPECT_EQ(metrics.Series({}, {0, 2000}, 1)->size(), 1u);
  EXPECT_EQ((*metrics.Metadata("", 5)).at("up").front().help, "h");
  EXPECT_TRUE(metrics.Metadata("other", 5)->empty());
}

TEST(InMemoryMetricsTest, ExemplarsByTimeAndByTrace) {
  const auto trace = *trace::TraceId::Parse("4bf92f3577b34da6a3ce929d0e0e4736");
  InMemoryMetrics metrics;
  metrics.AddExemplars(Named("up", "a"), {{.value = 2, .time_ms = 20, .trace_id = trace},
                                          {.value = 1, .time_ms = 10}});
  const auto found = metrics.Exemplars({}, {10, 15});
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().exemplars.front().value, 1);
  const auto of_trace = metrics.ExemplarsOf(trace);
  ASSERT_EQ(of_trace->size(), 1u);
  EXPECT_EQ(of_trace->front().exemplars.front().value, 2);
}

std::vector<std::string> Lines(InMemoryLogs& logs, const LogQuery& query, std::size_t most = 99) {
  std::vector<std::string> lines;
  EXPECT_TRUE(logs.Query(query, [&](const Labels& stream, const LogRecord& record) {
    lines.push_back(std::string(stream.Get("app")) + record.line);
    return lines.size() < most;
  }));
  return lines;
}

TEST(InMemoryLogsTest, StreamsAreMergedByTimeThenArrival) {
  InMemoryLogs logs;
  logs.Add({{"app", "a"}}, {{.time_ns = 30, .line = "3"}, {.time_ns = 10, .line = "1"}});
  logs.Add({{"app", "b"}}, {{.time_ns = 10, .line = "x"}, {.time_ns = 20, .line = "2"}});
  logs.Add({{"app", "a"}}, {{.time_ns = 10, .line = "y"}});
  EXPECT_EQ(logs.size(), 5u);
  EXPECT_THAT(Lines(logs, {.range = {0, 100}}), ElementsAre("a1", "bx", "ay", "b2", "a3"));
  EXPECT_THAT(Lines(logs, {.range = {0, 100}, .direction = Direction::kBackward}),
              ElementsAre("a3", "b2", "ay", "bx", "a1"));
  EXPECT_THAT(Lines(logs, {.range = {20, 30}}), ElementsAre("b2"));
  EXPECT_THAT(Lines(logs, {.matchers = {Matcher::Equal("app", "a")}, .range = {0, 100}}),
              ElementsAre("a1", "ay", "a3"));
  EXPECT_THAT(Lines(logs, {.range = {0, 100}}, 2), ElementsAre("a1", "bx"));
}

TEST(InMemoryLogsTest, LinesOfATraceAndStreamsOfARange) {
  const auto trace = *trace::TraceId::Parse("4bf92f3577b34da6a3ce929d0e0e4736");
  InMemoryLogs logs;
  logs.Add({{"app", "a"}}, {{.time_ns = 1, .line = "1", .trace_id = trace}});
  logs.Add({{"app", "b"}}, {{.time_ns = 9, .line = "2"}});
  std::vector<std::string> lines;
  ASSERT_TRUE(logs.OfTrace(trace, [&](const Labels&, const LogRecord& record) {
    lines.push_back(record.line);
    return true;
  }));
  EXPECT_THAT(lines, ElementsAre("1"));
  EXPECT_THAT(*logs.StreamLabelValues("app", {0, 9}), ElementsAre("a"));
  EXPECT_THAT(*logs.StreamLabelNames({0, 10}), ElementsAre("app"));
  EXPECT_EQ(logs.Streams({{Matcher::Equal("app", "b")}}, {0, 10}, 10)->size(), 1u);
  EXPECT_THAT(*logs.Streams({}, {0, 10}, 0), IsEmpty());
}

class InMemoryTracesTest : public ::testing::Test {
 protected:
  Span Make(const char* id, std::int64_t start_ns, std::int64_t end_ns, const char* service) {
    return {.trace_id = trace_,
            .span_id = *trace::SpanId::Parse(id),
            .name = "GET",
            .start_ns = start_ns,
            .end_ns = end_ns,
            .resource = {{"service.name", std::string(service)}}};
  }
  std::vector<std::int64_t> Starts(const std::vector<Span>& spans) {
    std::vector<std::int64_t> starts;
    for (const Span& span : spans) starts.push_back(span.start_ns);
    return starts;
  }

  trace::TraceId trace_ = *trace::TraceId::Parse("4bf92f3577b34da6a3ce929d0e0e4736");
  InMemoryTraces traces_;
};

TEST_F(InMemoryTracesTest, VisitsThoseThatStartInTheRangeUntilTold) {
  traces_.Add(Make("0000000000000001", 10, 30, "a"));
  traces_.Add(Make("0000000000000002", 20, 25, "b"));
  traces_.Add(Make("0000000000000003", 30, 90, "b"));
  std::vector<std::int64_t> starts;
  ASSERT_TRUE(traces_.Visit({10, 30}, [&](const Span& span) {
    starts.push_back(span.start_ns);
    return true;
  }));
  EXPECT_THAT(starts, ElementsAre(10, 20));
  int visited = 0;
  ASSERT_TRUE(traces_.Visit({0, 99}, [&](const Span&) { return ++visited < 2; }));
  EXPECT_EQ(visited, 2);
  EXPECT_THAT(*traces_.Services({0, 99}), ElementsAre("a", "b"));
  EXPECT_THAT(*traces_.Operations("b", {0, 99}), ElementsAre("GET"));
  EXPECT_THAT(*traces_.Operations("b", {0, 20}), IsEmpty());
}

TEST_F(InMemoryTracesTest, FindsNewestFirstByEachCondition) {
  Span tagged = Make("0000000000000001", 10, 30, "a");
  tagged.attributes = {{"http.status", std::int64_t{500}}};
  tagged.status = SpanStatus::kError;
  traces_.Add(tagged);
  traces_.Add(Make("0000000000000002", 20, 25, "b"));
  traces_.Add(Make("0000000000000003", 30, 90, "b"));
  EXPECT_THAT(Starts(*traces_.FindSpans({.range = {0, 99}})), ElementsAre(30, 20, 10));
  EXPECT_THAT(Starts(*traces_.FindSpans({.range = {0, 99}, .limit = 1})), ElementsAre(30));
  EXPECT_THAT(Starts(*traces_.FindSpans({.range = {0, 99}, .service = "b", .max_duration_ns = 9})),
              ElementsAre(20));
  EXPECT_THAT(Starts(*traces_.FindSpans({.range = {0, 99}, .status = SpanStatus::kError})),
              ElementsAre(10));
  EXPECT_THAT(
      Starts(*traces_.FindSpans({.range = {0, 99}, .tags = {{"http.status", std::string("500")}}})),
      ElementsAre(10));
  EXPECT_THAT(Starts(*traces_.FindSpans({.range = {0, 99}, .operation = "PUT"})), IsEmpty());
  EXPECT_THAT(Starts(*traces_.Trace(trace_)), ElementsAre(10, 20, 30));
  EXPECT_TRUE(traces_.Trace(*trace::TraceId::Parse("00000000000000000000000000000001"))->empty());
}

}  // namespace
}  // namespace enclave::telemetry
