#include "incident/freeze.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "telemetry/in_memory.h"
#include "telemetry/workers.h"

namespace enclave::incident {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kTestSecond = 1'000'000'000;
constexpr std::int64_t kTestMillisecond = 1'000'000;
constexpr std::int64_t kOnset = 300;  // seconds

// A shop of two services: `front` serves and calls `back`. One request each second for ten minutes.
class FreezeTest : public testing::Test {
 protected:
  struct Request {
    std::int64_t second = 0;
    std::int64_t gap_ms = 2;
    bool calls = true;
    std::vector<std::string> lines{};  // of back
  };

  void Serve(const Request& request) {
    const std::int64_t start = request.second * kTestSecond;
    const auto trace = trace::TraceId::Parse(fmt::format("{:032x}", request.second + 1));
    const auto span = [&](int number, int parent, const char* service, const char* name,
                          std::int64_t from_ms, std::int64_t to_ms) {
      telemetry::Span made{.trace_id = *trace, .span_id = Id(request.second, number)};
      if (parent != 0) made.parent_id = Id(request.second, parent);
      made.name = name;
      made.start_ns = start + from_ms * kTestMillisecond;
      made.end_ns = start + to_ms * kTestMillisecond;
      made.resource = {{"service.name", service}};
      traces_.Add(std::move(made));
    };
    const std::int64_t end = 20 + request.gap_ms;
    span(1, 0, "front", "GET /", 0, end + 10);
    if (!request.calls) return;
    span(2, 1, "front", "back/Get", 5, 5 + end);
    span(3, 2, "back", "Get", 5 + request.gap_ms / 2, 25 + request.gap_ms / 2);
    std::vector<telemetry::LogRecord> records;
    for (const std::string& line : request.lines)
      records.push_back({.time_ns = start + 10 * kTestMillisecond,
                         .line = line,
                         .trace_id = trace,
                         .span_id = Id(request.second, 3)});
    logs_.Add({{"service_name", "back"}}, std::move(records));
  }

  static trace::SpanId Id(std::int64_t second, int number) {
    return *trace::SpanId::Parse(fmt::format("{:016x}", second * 8 + number));
  }

  Context Freeze(std::int64_t alert_second = kOnset, const Bounds& bounds = {}) {
    auto context =
        incident::Freeze({.metrics = &metrics_, .logs = &logs_, .traces = &traces_},
                         {.alert = {.time_ns = alert_second * kTestSecond, .service = "front"},
                          .available = {0, 600 * kTestSecond}},
                         bounds);
    EXPECT_TRUE(context) << context.error().ToString();
    return *context;
  }

  telemetry::InMemoryMetrics metrics_;
  telemetry::InMemoryLogs logs_;
  telemetry::InMemoryTraces traces_;
};

TEST_F(FreezeTest, NothingMovedMeansNoEvidence) {
  for (std::int64_t second = 0; second < 600; ++second)
    Serve({.second = second, .lines = {"10:00:00.000 INFO  s.Back#12 found"}});
  const Context context = Freeze();
  EXPECT_THAT(context.flows, IsEmpty());
  EXPECT_THAT(context.logs, IsEmpty());
  EXPECT_THAT(context.topology, ElementsAre(Call{"front", "back"}));
  ASSERT_EQ(context.services.size(), 2U);
  EXPECT_EQ(context.services[0].name, "back");
  EXPECT_EQ(context.services[0].requests_before + context.services[0].requests_during, 600U);
}

TEST_F(FreezeTest, FindsTheGapBetweenCallerAndCallee) {
  for (std::int64_t second = 0; second < 600; ++second)
    Serve({.second = second, .gap_ms = second < kOnset ? 2 : 500});
  // The alert's time is off by a minute, either way.
  for (const std::int64_t alert : {kOnset - 60, kOnset, kOnset + 60}) {
    const Context context = Freeze(alert);
    EXPECT_NEAR(static_cast<double>(context.during.from_ns) / 1e9, kOnset, 6);
    ASSERT_FALSE(context.edges.empty());
    EXPECT_EQ(context.edges[0].caller, "front");
    EXPECT_EQ(context.edges[0].callee, "back");
    EXPECT_NEAR(context.edges[0].gap_before.median, 2, 0.1);
    EXPECT_NEAR(context.edges[0].gap_during.median, 500, 0.1);
    EXPECT_GT(context.edges[0].score, 20);
  }
}

TEST_F(FreezeTest, FindsAStatementThatVanishesAndOneThatIsNew) {
  for (std::int64_t second = 0; second < 600; ++second)
    Serve({.second = second,
           .lines = {second < kOnset ? "10:00:00.000 INFO  s.Back#12 found"
                                     : "10:00:00.000 ERROR s.Back#15 no such thing"}});
  const Context context = Freeze();
  ASSERT_EQ(context.logs.size(), 2U);
  const auto at = [&](LogChange change) {
    const auto found = std::ranges::find(context.logs, change, &LogShift::change);
    EXPECT_NE(found, context.logs.end());
    return found == context.logs.end() ? LogShift{} : *found;
  };
  EXPECT_EQ(at(LogChange::kVanished).location, "s.Back#12");
  EXPECT_EQ(at(LogChange::kVanished).operation, "Get");
  EXPECT_EQ(at(LogChange::kNew).location, "s.Back#15");
  EXPECT_EQ(at(LogChange::kNew).level, "ERROR");
  EXPECT_EQ(at(LogChange::kNew).count_before, 0U);
}

TEST_F(FreezeTest, MoreTrafficIsNoChange) {
  for (std::int64_t half = 0; half < 1200; ++half)
    if (half >= 600 || half % 2 == 0)
      Serve({.second = half, .lines = {"10:00:00.000 INFO  s.Back#12 found"}});
  auto context = incident::Freeze(
      {.logs = &logs_, .traces = &traces_},
      {.alert = {.time_ns = 600 * kTestSecond}, .available = {0, 1200 * kTestSecond}});
  ASSERT_TRUE(context);
  EXPECT_THAT(context->logs, IsEmpty());
  EXPECT_THAT(context->flows, IsEmpty());
}

TEST_F(FreezeTest, FindsTheCallThatIsNoLongerMade) {
  for (std::int64_t second = 0; second < 600; ++second)
    Serve({.second = second, .calls = second < kOnset});
  const Context context = Freeze();
  ASSERT_FALSE(context.flows.empty());
  const auto lost = std::ranges::find_if(context.flows, [](const FlowShift& shift) {
    return !shift.ends_after && shift.callee == "back";
  });
  ASSERT_NE(lost, context.flows.end());
  EXPECT_EQ(lost->service, "front");
  EXPECT_DOUBLE_EQ(lost->share_before, 1);
  EXPECT_DOUBLE_EQ(lost->share_during, 0);
}

TEST_F(FreezeTest, KnowsAComplaintThatIsNothingNewAndWhomItNames) {
  for (std::int64_t second = 0; second < 600; ++second) {
    Serve({.second = second, .lines = {second >= kOnset ? "ERROR cannot reach front" : "INFO ok"}});
    // Another service said the same all along.
    logs_.Add({{"service_name", "other"}},
              {{.time_ns = second * kTestSecond, .line = "ERROR cannot reach back"}});
  }
  const Context context = Freeze();
  const auto complaint = std::ranges::find_if(
      context.logs, [](const LogShift& shift) { return shift.level == "ERROR"; });
  ASSERT_NE(complaint, context.logs.end());
  EXPECT_TRUE(complaint->usual);
  EXPECT_THAT(complaint->names, ElementsAre("front"));
}

TEST_F(FreezeTest, FindsASeriesThatMoved) {
  std::vector<telemetry::Sample> cpu;
  std::vector<telemetry::Sample> quiet;
  for (std::int64_t second = 0; second < 600; second += 15) {
    cpu.push_back({second * 1000, second < kOnset ? 0.1 : 0.95});
    quiet.push_back({second * 1000, second % 30 == 0 ? 0.1 : 0.11});
  }
  metrics_.Add({{"__name__", "k8s_pod_cpu_limit_utilization_ratio"}, {"service_name", "back"}},
               cpu);
  metrics_.Add({{"__name__", "k8s_pod_cpu_limit_utilization_ratio"}, {"service_name", "front"}},
               quiet);
  const Context context = Freeze();
  ASSERT_EQ(context.series.size(), 1U);
  EXPECT_EQ(context.series[0].service, "back");
  EXPECT_EQ(context.series[0].signal, Signal::kCpu);
  EXPECT_GE(context.series[0].onset_ns, kOnset * kTestSecond);
}

// What a mesh reports from both ends of a call: the caller waits longer, the one called does not.
TEST_F(FreezeTest, TellsFromBothEndsOfACallWhatIsLostOnTheWay) {
  for (const char* reporter : {"source", "destination"}) {
    std::vector<telemetry::Sample> samples;
    for (std::int64_t second = 0; second < 600; second += 15) {
      // Both ends waver together.
      const double usual = 0.2 + 0.15 * static_cast<double>(second % 60) / 60;
      const bool late = second >= kOnset && reporter == std::string("source");
      samples.push_back({second * 1000, usual + (late ? 0.3 : 0.001)});
    }
    metrics_.Add(telemetry::Labels::From({{"__name__", "mesh_request_duration_seconds"},
                                          {"source", "front"},
                                          {"destination", "back"},
                                          {"reporter", reporter}}),
                 std::move(samples));
  }
  const Context context = Freeze();
  const auto way = std::ranges::find(context.series, true, &SeriesShift::on_the_way);
  ASSERT_NE(way, context.series.end());
  EXPECT_EQ(way->caller, "front");
  EXPECT_EQ(way->service, "back");
  EXPECT_NEAR(way->before.median, 0, 0.002);
  EXPECT_NEAR(way->during.median, 0.299, 0.002);
  EXPECT_GT(way->score, 10);
  EXPECT_EQ(std::ranges::count(context.series, true, &SeriesShift::on_the_way), 1);
}

TEST_F(FreezeTest, TrafficIsInRequestsWhateverTheSeriesCounts) {
  std::vector<telemetry::Sample> rate;
  std::vector<telemetry::Sample> total;
  for (std::int64_t second = 0; second < 600; second += 15) {
    rate.push_back({second * 1000, 2});
    total.push_back({second * 1000, 2.0 * static_cast<double>(second)});
  }
  const auto add = [&](const char* service, const char* metric,
                       std::vector<telemetry::Sample> samples) {
    metrics_.Add(telemetry::Labels::From({{"__name__", metric}, {"service_name", service}}),
                 std::move(samples));
  };
  // Listed is who tells of latency or errors.
  for (const char* service : {"front", "back"}) add(service, "request_duration_seconds", rate);
  add("front", "http_server_requests_per_second", rate);
  add("back", "http_server_requests_total", total);
  const Context context = Freeze();
  ASSERT_EQ(context.golden.size(), 2U);
  for (const GoldenSignals& golden : context.golden) {
    ASSERT_FALSE(golden.traffic.empty());
    EXPECT_NEAR(golden.traffic.back().value, 30, 1e-6) << golden.service;
  }
}

TEST_F(FreezeTest, StaysWithinItsBoundsAndCountsTheRest) {
  for (std::int64_t second = 0; second < 600; ++second) {
    std::vector<std::string> lines;
    if (second >= kOnset)
      for (int i = 0; i < 20; ++i)
        lines.push_back(fmt::format("10:00:00.000 ERROR s.Back#{} no", 100 + i));
    Serve({.second = second, .lines = lines});
  }
  const Context context = Freeze(kOnset, {.items = 5});
  EXPECT_EQ(context.logs.size(), 10U);
  EXPECT_EQ(context.left_out.at("logs"), 10U);
}

TEST_F(FreezeTest, SaysWhatIsMissing) {
  const Context context = Freeze();
  EXPECT_THAT(context.missing, testing::Contains("traces: no span in the window"));
  EXPECT_THAT(context.missing, testing::Contains("logs: no line in the window"));
}

TEST_F(FreezeTest, IsTheSameWithMoreThreads) {
  for (std::int64_t second = 0; second < 600; ++second)
    Serve({.second = second,
           .gap_ms = second < kOnset ? 2 : 300,
           .lines = {second % 3 != 0 && second > kOnset ? "ERROR no such thing" : "INFO found"}});
  for (int i = 0; i < 700; ++i)
    metrics_.Add({{"__name__", "k8s_pod_cpu_limit_utilization_ratio"},
                  {"service_name", fmt::format("service-{}", i % 90)},
                  {"part", fmt::format("{}", i)}},
                 {{0, 0.1}, {15'000, 0.1}, {30'000, 0.1}, {kOnset * 1000 + 20'000, i % 2 * 0.9}});
  const Question question{.alert = {.time_ns = kOnset * kTestSecond, .service = "front"},
                          .available = {0, 600 * kTestSecond}};
  const Sources sources{.metrics = &metrics_, .logs = &logs_, .traces = &traces_};
  telemetry::ThreadWorkers workers("evidence", 3, 16);
  const auto alone = incident::Freeze(sources, question);
  const auto together = incident::Freeze(sources, question, {}, &workers);
  ASSERT_TRUE(alone && together);
  EXPECT_FALSE(alone->series.empty());
  EXPECT_FALSE(alone->edges.empty());
  EXPECT_TRUE(*alone == *together);
}

TEST_F(FreezeTest, TellsFromLinesAloneWhoCallsWhomAndWhereTimeGoes) {
  telemetry::InMemoryLogs logs;
  const auto say = [&](const char* service, std::int64_t second, int span, std::int64_t ms,
                       std::string line) {
    logs.Add({{"service_name", service}},
             {{.time_ns = second * kTestSecond + ms * kTestMillisecond,
               .line = std::move(line),
               .trace_id = trace::TraceId::Parse(fmt::format("{:032x}", second + 1)),
               .span_id = Id(second, span)}});
  };
  for (std::int64_t second = 0; second < 600; ++second) {
    const std::int64_t way = second < kOnset ? 2 : 400;
    say("front", second, 1, 0, "INFO s.Front#10 asked");
    say("back", second, 2, way, "INFO s.Back#12 looking");
    say("back", second, 2, way + 5, "INFO s.Back#13 found");
    say("front", second, 1, way + 6, "INFO s.Front#11 answered");
  }
  const auto context = incident::Freeze(
      {.logs = &logs},
      {.alert = {.time_ns = kOnset * kTestSecond}, .available = {0, 600 * kTestSecond}});
  ASSERT_TRUE(context);
  EXPECT_THAT(context->topology, ElementsAre(Call{"front", "back"}));
  ASSERT_EQ(context->edges.size(), 1U);
  EXPECT_NEAR(context->edges[0].gap_before.median, 3, 0.1);
  EXPECT_NEAR(context->edges[0].gap_during.median, 401, 0.1);
  EXPECT_GT(context->edges[0].score, 20);
}

TEST_F(FreezeTest, ASilentServiceIsMeasuredAgainstItsCallers) {
  telemetry::InMemoryLogs logs;
  for (std::int64_t second = 0; second < 600; ++second) {
    const auto trace = trace::TraceId::Parse(fmt::format("{:032x}", second + 1));
    const auto say = [&](const char* service, int span, std::int64_t ms, const char* line) {
      logs.Add({{"service_name", service}},
               {{.time_ns = second * kTestSecond + ms * kTestMillisecond,
                 .line = line,
                 .trace_id = trace,
                 .span_id = Id(second, span)}});
    };
    say("front", 1, 0, "INFO s.Front#10 asked");
    if (second < kOnset) say("back", 2, 2, "INFO s.Back#12 found");
    say("front", 1, 6, "INFO s.Front#11 answered");
  }
  const auto context = incident::Freeze(
      {.logs = &logs},
      {.alert = {.time_ns = kOnset * kTestSecond}, .available = {0, 600 * kTestSecond}});
  ASSERT_TRUE(context);
  const auto silent = std::ranges::find(context->logs, "back", &LogShift::service);
  ASSERT_NE(silent, context->logs.end());
  EXPECT_EQ(silent->change, LogChange::kVanished);
  EXPECT_EQ(silent->count_during, 0U);
  EXPECT_NEAR(static_cast<double>(silent->runs_during), 300, 10);
}

TEST_F(FreezeTest, WhatIsSaidAtTheStartIsNotMissed) {
  for (std::int64_t second = 0; second < 600; ++second) {
    Serve({.second = second});
    std::vector<telemetry::LogRecord> records;
    // Said once by each of its threads, and said each ten seconds.
    if (second == 20)
      for (int thread = 0; thread < 30; ++thread)
        records.push_back({.time_ns = second * kTestSecond + thread, .line = "ready to serve"});
    if (second % 10 == 0 && second < kOnset)
      for (int item = 0; item < 4; ++item)
        records.push_back({.time_ns = second * kTestSecond + 100 + item, .line = "stock counted"});
    if (second % 10 == 5)
      for (int item = 0; item < 4; ++item)
        records.push_back({.time_ns = second * kTestSecond + item, .line = "prices loaded"});
    logs_.Add({{"service_name", "back"}}, std::move(records));
  }
  std::vector<std::string> vanished;
  for (const LogShift& shift : Freeze().logs)
    if (shift.change == LogChange::kVanished) vanished.push_back(shift.text);
  EXPECT_THAT(vanished, ElementsAre(testing::HasSubstr("stock counted")));
}

TEST_F(FreezeTest, WhatWasRepairedIsNeitherNormalNorAskedAbout) {
  constexpr std::int64_t kRepaired = kOnset + 60;
  for (std::int64_t second = 0; second < 600; ++second) {
    Serve({.second = second});
    std::vector<telemetry::LogRecord> records;
    const auto say = [&](const char* line) {
      for (int item = 0; item < 4; ++item)
        records.push_back({.time_ns = second * kTestSecond + item, .line = line});
    };
    say("prices loaded");
    if (second >= kOnset && second < kRepaired) say("ERROR the disk is gone");
    if (second >= kOnset) say("ERROR the key is wrong");
    logs_.Add({{"service_name", "back"}}, std::move(records));
  }
  const auto context =
      incident::Freeze({.metrics = &metrics_, .logs = &logs_, .traces = &traces_},
                       {.alert = {.time_ns = kOnset * kTestSecond, .service = "front"},
                        .normal = {{0, (kOnset - 30) * kTestSecond}},
                        .available = {kRepaired * kTestSecond, 600 * kTestSecond},
                        .repaired = {(kOnset - 30) * kTestSecond, kRepaired * kTestSecond}});
  ASSERT_TRUE(context) << context.error().ToString();
  EXPECT_EQ(context->during.from_ns, kRepaired * kTestSecond);
  std::vector<std::string> texts;
  for (const LogShift& shift : context->logs) texts.push_back(shift.text);
  EXPECT_THAT(texts, testing::Contains(testing::HasSubstr("the key is wrong")));
  EXPECT_THAT(texts, testing::Not(testing::Contains(testing::HasSubstr("the disk is gone"))));
}

TEST_F(FreezeTest, ASlowRequestNamesTheSpanThatExplainsItAndItsLine) {
  for (std::int64_t second = 0; second < 600; ++second) {
    Serve({.second = second, .calls = false});
    telemetry::Span span{.trace_id = *trace::TraceId::Parse(fmt::format("{:032x}", second + 1)),
                         .span_id = Id(second, 5),
                         .parent_id = Id(second, 1)};
    span.name = "Sort";
    span.start_ns = second * kTestSecond;
    span.end_ns = span.start_ns + (second < kOnset ? 5 : 29) * kTestMillisecond;
    span.resource = {{"service.name", "back"}};
    span.attributes = {{"code.filepath", "sort.cc"}, {"code.lineno", std::int64_t{7}}};
    traces_.Add(std::move(span));
    // The entry takes as long as what it waits for.
    telemetry::Span entry{.trace_id = *trace::TraceId::Parse(fmt::format("{:032x}", second + 901)),
                          .span_id = Id(second + 900, 1)};
    entry.name = "GET /sorted";
    entry.start_ns = second * kTestSecond;
    entry.end_ns = entry.start_ns + (second < kOnset ? 10 : 510) * kTestMillisecond;
    entry.resource = {{"service.name", "back"}};
    entry.attributes = {{"code.filepath", "sort.cc"}, {"code.lineno", std::int64_t{9}}};
    traces_.Add(std::move(entry));
  }
  const Context context = Freeze();
  const auto slow = std::ranges::find_if(context.traces, [](const FailingTrace& trace) {
    return trace.slow && trace.operation == "GET /sorted";
  });
  ASSERT_NE(slow, context.traces.end());
  EXPECT_EQ(slow->service, "back");
  EXPECT_EQ(slow->location, "sort.cc:9");
  EXPECT_NEAR(slow->usual_ms, 10, 0.1);
  EXPECT_NEAR(slow->duration_ms, 510, 0.1);
  EXPECT_THAT(slow->path, ElementsAre("back"));
  EXPECT_FALSE(slow->id.empty());
}

TEST_F(FreezeTest, RefusesAWindowThatEndsBeforeItBegins) {
  const auto context = incident::Freeze({}, {.available = {10, 10}});
  ASSERT_FALSE(context);
  EXPECT_EQ(context.error().kind(), base::ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace enclave::incident
