#include "cli/story.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "cli/story_render.h"
#include "kube/fake_api.h"
#include "telemetry/in_memory.h"

namespace enclave::cli {
namespace {

using kube::Json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kStoryTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kOtherTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::int64_t kBegin = 1'767'323'045'000'000'000;  // 2026-01-02T03:04:05Z
constexpr std::int64_t kMs = 1'000'000;

trace::TraceId StoryId() {
  return *trace::TraceId::Parse(kStoryTrace);
}

telemetry::Span SpanAt(const std::string& service, const std::string& name, const std::string& id,
                       const std::string& parent, std::int64_t start_ms, std::int64_t end_ms) {
  telemetry::Span span{.trace_id = StoryId(), .span_id = *trace::SpanId::Parse(id)};
  span.parent_id = trace::SpanId::Parse(parent);
  span.name = name;
  span.kind = telemetry::SpanKind::kServer;
  span.start_ns = kBegin + start_ms * kMs;
  span.end_ns = kBegin + end_ms * kMs;
  span.resource = {{"service.name", service}};
  return span;
}

// `enclave run -- kubectl set image`, and a request that fails.
Story ReleaseStory() {
  Story story(StoryId());
  telemetry::Span run = SpanAt("terminal", "kubectl", "00000000000000a1", "", 0, 40);
  run.kind = telemetry::SpanKind::kInternal;
  run.attributes = {{"process.command_line", "kubectl set image deploy/cart server=cart:v2"},
                    {"user.name", "ann"}};
  telemetry::Span page = SpanAt("frontend", "GET /cart", "00000000000000b1", "", 2'000, 2'030);
  telemetry::Span failing =
      SpanAt("cartservice", "GetCart", "00000000000000b2", "00000000000000b1", 2'005, 2'020);
  failing.status = telemetry::SpanStatus::kError;
  failing.events = {{.time_ns = failing.start_ns + kMs,
                     .name = "exception",
                     .attributes = {{"exception.type", "NotFound"},
                                    {"exception.message", "no such key\nsecond line"},
                                    {"code.filepath", "src/lab/boutique/cart.cc"},
                                    {"code.lineno", std::int64_t{42}},
                                    {"code.function", "GetCart"}}}};
  story.spans = {run, page, failing};
  story.lines.push_back({{{"app", "cart"}},
                         {.time_ns = kBegin + 2'010 * kMs,
                          .line = R"({"level":"error","message":"the cart is gone"})",
                          .metadata = {{"level", "error"}},
                          .trace_id = StoryId(),
                          .span_id = trace::SpanId::Parse("00000000000000b2")}});
  story.changes = {{.time_ns = kBegin + 20 * kMs,
                    .verb = "patch",
                    .resource = "deployments.apps",
                    .ns = "boutique",
                    .name = "cart",
                    .user = "kubernetes-admin",
                    .code = 200},
                   {.time_ns = kBegin + 25 * kMs,
                    .verb = "create",
                    .resource = "replicasets.apps",
                    .ns = "boutique",
                    .name = "cart-7f",
                    .user = "system:kube-controller-manager",
                    .by_cluster = true,
                    .code = 201}};
  story.objects = {{.kind = "Deployment",
                    .ns = "boutique",
                    .name = "cart",
                    .action = "inc-1-a1",
                    .incident = "inc-1"}};
  StoryIncident incident{.id = "inc-1", .stage = "resolved"};
  incident.events = {{kBegin + 9'000 * kMs, "opened", "Users of frontend see errors."},
                     {kBegin + 75'000 * kMs, "action_started", "Rolling back cart."}};
  incident.whole = {{"id", "inc-1"},
                    {"trace", kStoryTrace},
                    {"opened", "2026-01-02T03:04:14Z"},
                    {"closed", "2026-01-02T03:05:35Z"},
                    {"outcome", "resolved"},
                    {"why", "all is well"},
                    {"cause", {{"service", "cart"}, {"kind", "bad release"}, {"confidence", 0.96}}},
                    {"actions", Json::array({{{"action", {{"reason", "cart goes back"}}},
                                              {"started", "2026-01-02T03:05:20Z"},
                                              {"verdict", "helped"},
                                              {"seen", "0 % bad"}}})}};
  story.incidents = {incident};
  return story;
}

std::vector<std::string> StoryLines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(StoryRenderTest, IsToldInOrder) {
  const std::string gap(14, ' ');  // where spans have their bar
  EXPECT_THAT(
      StoryLines(RenderStory(ReleaseStory(), {})),
      ElementsAre(
          "trace 4bf92f3577b34da6a3ce929d0e0e4736  2026-01-02T03:04:05Z",
          "3 spans in 3 services, 1 log line, 2 changes, 1 incident", "",
          "     +0 ms  command   kubectl set image deploy/cart server=cart:v2",
          "  +20.0 ms  change    patch deployments.apps boutique/cart  by kubernetes-admin",
          "   +2.00 s  request   frontend  GET /cart  30.0 ms",
          "   +2.00 s  code      cartservice  NotFound: no such key",
          "                      at src/lab/boutique/cart.cc:42 in GetCart",
          "   +9.00 s  incident  inc-1  cart: bad release (96 %)",
          "    +1m15s  action    cart goes back", "                      it helped: 0 % bad",
          "    +1m30s  end       resolved: all is well", "", "in full", "",
          "     +0 ms  terminal  " + gap +
              "kubectl set image deploy/cart server=cart:v2  by ann  40.0 ms",
          "  +20.0 ms  change    " + gap +
              "patch deployments.apps boutique/cart  by kubernetes-admin",
          "  +25.0 ms  change    " + gap +
              "  create replicasets.apps boutique/cart-7f  by system:kube-controller-manager",
          "   +2.00 s  request   ━━━━━━━━━━━━  frontend  GET /cart  30.0 ms",
          "   +2.00 s  request     ━━━━━━        cartservice  GetCart  15.0 ms  error",
          "                      " + gap + "    NotFound: no such key",
          "                      " + gap + "    at src/lab/boutique/cart.cc:42 in GetCart",
          "   +2.01 s  log       " + gap + "    cart  the cart is gone",
          "   +9.00 s  incident  " + gap + "inc-1  Users of frontend see errors.",
          "    +1m15s  action    " + gap + "inc-1  Rolling back cart.", "", "carried by",
          "  Deployment     boutique/cart  action inc-1-a1  of inc-1"));
}

TEST(StoryRenderTest, TheWayNamesTheSpanThatRecordedTheException) {
  Story story = ReleaseStory();
  telemetry::Span inner =
      SpanAt("cartservice", "read", "00000000000000b3", "00000000000000b2", 2'006, 2'010);
  inner.status = telemetry::SpanStatus::kError;
  inner.status_message = "left by an exception";
  inner.attributes = {{"code.filepath", "src/cart_service.cc"}, {"code.lineno", std::int64_t{7}}};
  story.spans.push_back(inner);
  EXPECT_THAT(RenderStory(story, {}), HasSubstr("code      cartservice  NotFound: no such key\n"));
}

TEST(StoryRenderTest, TheFailingLineOfCodeStandsOut) {
  StoryColours colours;
  colours.mark = [](std::string_view text) { return "<" + std::string(text) + ">"; };
  EXPECT_THAT(RenderStory(ReleaseStory(), colours),
              HasSubstr("at <src/lab/boutique/cart.cc:42 in GetCart>"));
}

TEST(StoryRenderTest, StrangeSpansAreToldToo) {
  Story story(StoryId());
  // Each the other's parent, one without any, and one whose name would steer a terminal.
  story.spans = {SpanAt("a", "x", "0000000000000001", "0000000000000002", 0, 1),
                 SpanAt("a", "y", "0000000000000002", "0000000000000001", 0, 1),
                 SpanAt("a", "red\x1b[31m", "0000000000000003", "00000000000000ff", 0, -5)};
  const std::string text = RenderStory(story, {});
  EXPECT_THAT(StoryLines(text), SizeIs(6));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_TRUE(Story(StoryId()).empty());
  EXPECT_THAT(RenderStory(Story(StoryId()), {}), HasSubstr("0 spans in 0 services"));
}

TEST(StoryRenderTest, WhatCouldNotBeAskedIsSaid) {
  Story story(StoryId());
  story.missing = {{"incidents", "no agent at http://127.0.0.1:9096"}};
  EXPECT_THAT(RenderStory(story, {}),
              HasSubstr("without incidents: no agent at http://127.0.0.1:9096\n"));
}

TEST(StoryRenderTest, JsonHoldsEverything) {
  const Json json = StoryToJson(ReleaseStory());
  EXPECT_EQ(json.at("traceId"), kStoryTrace);
  ASSERT_EQ(json.at("spans").size(), 3u);
  const Json& failing = json.at("spans").at(2);
  EXPECT_EQ(failing.at("parentId"), "00000000000000b1");
  EXPECT_EQ(failing.at("service"), "cartservice");
  EXPECT_EQ(failing.at("status"), "error");
  EXPECT_EQ(failing.at("place"), "src/lab/boutique/cart.cc:42 in GetCart");
  EXPECT_EQ(failing.at("events").at(0).at("attributes").at("code.lineno"), 42);
  EXPECT_EQ(json.at("logs").at(0).at("stream"), (Json{{"app", "cart"}}));
  EXPECT_EQ(json.at("changes").at(1).at("byCluster"), true);
  EXPECT_EQ(json.at("objects").at(0).at("actionId"), "inc-1-a1");
  EXPECT_EQ(json.at("incidents").at(0).at("id"), "inc-1");
  EXPECT_EQ(json.at("spans").at(0).at("traceId"), kStoryTrace);
  EXPECT_THAT(json.at("missing"), IsEmpty());
}

TEST(StoryTest, SpansAndLinesAreOfAllItsTraces) {
  const auto other = *trace::TraceId::Parse(kOtherTrace);
  telemetry::InMemoryTraces traces;
  telemetry::Span late = SpanAt("cart", "GetCart", "00000000000000b2", "", 5, 7);
  late.trace_id = other;
  traces.Add(late);
  traces.Add(SpanAt("terminal", "kubectl", "00000000000000b1", "", 1, 2));
  telemetry::InMemoryLogs logs;
  logs.Add({{"app", "cart"}}, {{.time_ns = kBegin + 9, .line = "second", .trace_id = other},
                               {.time_ns = kBegin + 8, .line = "first", .trace_id = StoryId()},
                               {.time_ns = kBegin + 8, .line = "a neighbour's"}});
  Story story(StoryId());
  ASSERT_TRUE(ReadSpans(traces, story));
  ASSERT_THAT(story.spans, SizeIs(1));
  story.links = {{.id = other, .what = "the trace of incident inc-1"}};
  ASSERT_TRUE(ReadSpans(traces, story));
  ASSERT_TRUE(ReadLines(logs, story));
  ASSERT_THAT(story.spans, SizeIs(2));
  EXPECT_EQ(story.spans[1].name, "GetCart");
  ASSERT_THAT(story.lines, SizeIs(2));
  EXPECT_EQ(story.lines[0].record.line, "first");
  EXPECT_THAT(RenderStory(story, {}),
              HasSubstr("with " + kOtherTrace + ": the trace of incident inc-1\n"));
}

class StoryFilesTest : public testing::Test {
 protected:
  StoryFilesTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("enclave-story-" + base::SystemRandom().Uuid())) {
    std::filesystem::create_directories(folder_);
  }
  ~StoryFilesTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path Audit() const { return folder_ / "audit.log"; }

  const std::filesystem::path folder_;
};

Json AuditLine(const char* time, const char* verb, const char* resource, const char* source,
               const std::string& trace) {
  return {{"time", time},     {"verb", verb}, {"resource", resource}, {"name", "cart"},
          {"source", source}, {"code", 200},  {"traceId", trace},     {"namespace", "boutique"},
          {"user", "u"}};
}

TEST_F(StoryFilesTest, ChangesAreTheAuditLogs) {
  std::ofstream(folder_ / "audit.log.1")
      << AuditLine("2026-01-02T03:04:05.1Z", "create", "deployments.apps", "127.0.0.1:1",
                   kStoryTrace)
      << "\n";
  Json status =
      AuditLine("2026-01-02T03:04:08Z", "update", "replicasets.apps", "in-process", kStoryTrace);
  status["subresource"] = "status";
  Json dry =
      AuditLine("2026-01-02T03:04:08Z", "patch", "deployments.apps", "127.0.0.1:1", kStoryTrace);
  dry["dryRun"] = true;
  std::ofstream(Audit())
      << AuditLine("2026-01-02T03:04:07Z", "create", "pods", "in-process", kStoryTrace) << "\n"
      << AuditLine("2026-01-02T03:04:06Z", "update", "replicasets.apps", "in-process", kStoryTrace)
      << "\n"
      << AuditLine("2026-01-02T03:04:06Z", "delete", "pods", "in-process", kStoryTrace) << "\n"
      << AuditLine("2026-01-02T03:04:06Z", "create", "pods", "in-process", kOtherTrace) << "\n"
      << status << "\n"
      << dry << "\nno json, but " << kStoryTrace << "\n";
  Story story(StoryId());
  ASSERT_TRUE(ReadChanges(Audit(), story));
  std::vector<std::string> told;
  for (const StoryChange& change : story.changes)
    told.push_back(change.verb + " " + change.resource + (change.by_cluster ? " cluster" : ""));
  EXPECT_THAT(told, ElementsAre("create deployments.apps", "update replicasets.apps cluster",
                                "create pods cluster"));
  EXPECT_EQ(story.changes.front().time_ns, kBegin + 100 * kMs);
  EXPECT_EQ(ReadChanges(folder_ / "none", story).error().kind(), base::ErrorKind::kNotFound);
}

TEST(StoryTest, IncidentsAreThoseOfTheTrace) {
  std::vector<std::string> asked;
  const AskAgent ask = [&](const std::string& path) -> base::Result<Json> {
    asked.push_back(path);
    if (path == "/api/incidents")
      return Json{{"incidents",
                   {{{"id", "inc-2"}, {"trace", kOtherTrace}},
                    {{"id", "inc-1"}, {"trace", kStoryTrace}},
                    {{"id", "inc-0"}, {"trace", ""}}}}};
    return Json{{"id", "inc-1"},
                {"stage", "resolved"},
                {"events",
                 {{{"time", "2026-01-02T03:04:05.000000Z"},
                   {"kind", "opened"},
                   {"sentence", "It began."}}}}};
  };
  Story story(StoryId());
  ASSERT_TRUE(ReadIncidents(ask, story));
  EXPECT_THAT(asked, ElementsAre("/api/incidents", "/api/incidents/inc-1"));
  ASSERT_THAT(story.incidents, SizeIs(1));
  EXPECT_EQ(story.incidents[0].stage, "resolved");
  ASSERT_THAT(story.incidents[0].events, SizeIs(1));
  EXPECT_EQ(story.incidents[0].events[0].time_ns, kBegin);
}

// What the agent says of an incident of another trace, that this one has to do with.
AskAgent AgentOfOther(const Json& links) {
  const Json incident = {{"id", "inc-1"},
                         {"trace", kOtherTrace},
                         {"opened", "2026-01-02T03:04:10Z"},
                         {"closed", "2026-01-02T03:05:10Z"},
                         {"cause", {{"service", "cartservice"}}},
                         {"links", links}};
  return [incident](const std::string& path) -> base::Result<Json> {
    return path == "/api/incidents" ? Json{{"incidents", Json::array({incident})}} : incident;
  };
}

TEST(StoryTest, ACommandLeadsToItsIncidentAndBack) {
  const Json links = Json::array(
      {{{"kind", "change"}, {"trace", kStoryTrace}, {"what", "Deployment cart was changed"}}});
  Story command(StoryId());
  ASSERT_TRUE(ReadIncidents(AgentOfOther(links), command));
  ASSERT_THAT(command.incidents, SizeIs(1));
  ASSERT_THAT(command.links, SizeIs(1));
  EXPECT_EQ(command.links[0].id.ToString(), kOtherTrace);

  Story incident(*trace::TraceId::Parse(kOtherTrace));
  ASSERT_TRUE(ReadIncidents(AgentOfOther(links), incident));
  ASSERT_THAT(incident.links, SizeIs(1));
  EXPECT_EQ(incident.links[0].id, StoryId());
  EXPECT_EQ(incident.links[0].what, "Deployment cart was changed");
}

TEST(StoryTest, ARequestThatFailedLeadsToTheIncidentItFallsInto) {
  const auto incidents = [](std::int64_t start_ms, const char* service,
                            telemetry::SpanStatus status) {
    Story story(StoryId());
    story.spans = {
        SpanAt("frontend", "GET /", "0000000000000001", "", start_ms, start_ms + 9),
        SpanAt(service, "Get", "0000000000000002", "0000000000000001", start_ms, start_ms + 9)};
    story.spans[1].status = status;
    EXPECT_TRUE(ReadIncidents(AgentOfOther(Json::array()), story));
    return story.incidents.size();
  };
  EXPECT_EQ(incidents(2'000, "cartservice", telemetry::SpanStatus::kError), 1U);
  EXPECT_EQ(incidents(2'000, "cartservice", telemetry::SpanStatus::kOk), 0U);
  EXPECT_EQ(incidents(2'000, "adservice", telemetry::SpanStatus::kError), 0U) << "another's fault";
  EXPECT_EQ(incidents(70'000, "cartservice", telemetry::SpanStatus::kError), 0U) << "too late";
}

TEST(StoryTest, ObjectsAreThoseThatCarryIt) {
  base::SimulatedExecutor executor;
  base::SeededRandom random(7);
  kube::FakeApi api(executor, random);
  const auto make = [&](const kube::Kind& kind, const std::string& name, const Json& annotations) {
    const Json object = {{"apiVersion", kind.ApiVersion()},
                         {"kind", kind.kind},
                         {"metadata", {{"name", name}, {"annotations", annotations}}}};
    ASSERT_TRUE(api.Create(kind, "shop", object));
  };
  make(kube::kDeployment, "cart",
       {{"enclave.dev/trace-id", kStoryTrace}, {"enclave.dev/action-id", "inc-1-a1"}});
  make(kube::kPod, "cart-1", {{"enclave.dev/trace-id", kStoryTrace}});
  make(kube::kPod, "cart-2", {{"enclave.dev/trace-id", kOtherTrace}});
  ASSERT_TRUE(api.Create(
      kube::kEvent, "shop",
      {{"metadata", {{"name", "e1"}, {"annotations", {{"enclave.dev/trace-id", kStoryTrace}}}}},
       {"type", "Warning"},
       {"reason", "Failed"},
       {"message", "no such image"},
       {"count", 3},
       {"lastTimestamp", "2026-01-02T03:04:05Z"},
       {"involvedObject", {{"kind", "Pod"}, {"namespace", "shop"}, {"name", "cart-1"}}}}));
  Story story(StoryId());
  ASSERT_TRUE(ReadObjects(api, story));
  EXPECT_THAT(RenderStory(story, {}),
              HasSubstr("event       Pod shop/cart-1  Failed: no such image (3 times)"));
  EXPECT_EQ(StoryToJson(story).at("events").at(0).at("type"), "Warning");
  ASSERT_THAT(story.objects, SizeIs(2));
  EXPECT_EQ(story.objects[0].kind, "Deployment");
  EXPECT_EQ(story.objects[0].action, "inc-1-a1");
  EXPECT_EQ(story.objects[1].name, "cart-1");
}

}  // namespace
}  // namespace enclave::cli
