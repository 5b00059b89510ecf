#include "lab/drills/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/drills/live_view.h"
#include "lab/drills/story.h"
#include "lab/drills/test_world.h"

namespace enclave::lab::drills {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<Objective>& TestObjectives() {
  static const std::vector<Objective> objectives{
      {.name = "errors", .title = "failing", .query = "errors", .at_most = 0.01}};
  return objectives;
}

Drill TestDrill() {
  return {
      .name = "bad",
      .title = "a bad release",
      .hold = seconds(5),
      .faults = {{.kind = FaultKind::kRelease, .workload = "pay", .image = "pay:v2"}},
      .causes = {{.services = {"pay"}, .kinds = {"bad release"}, .actions = {"rollback_revision"}}},
      .may_touch = {"Deployment/pay"},
      .request = "{ status = error }",
      .detect = seconds(10),
      .recover = seconds(40),
      .whole = seconds(90)};
}

// An agent that finds what it is told to find four seconds after the release, acts a second later,
// and is sure ten seconds after that.
class RunnerTest : public testing::Test {
 protected:
  RunnerTest() {
    it_.pace.on_wait = [this] { Pass(); };
    it_.agent.answers["/api/incidents/i1"] = [this] { return incident_; };
  }

  void Pass() {
    if (it_.ImageOf("pay") == "pay:v2" && !broken_) broken_ = it_.pace.passed() - seconds(1);
    if (!broken_) return;
    const auto since = it_.pace.passed() - *broken_;
    it_.errors = it_.ImageOf("pay") == "pay:v2" && since >= seconds(1) ? 0.5 : 0;
    if (!agent_works_) return;
    const auto at = [&](int second) {
      return TestTime(base::WallTime(kTestStart) + *broken_ + seconds(second));
    };
    if (since >= seconds(4) && incident_.is_null()) {
      incident_ = {{"id", "i1"},
                   {"stage", "diagnosed"},
                   {"outcome", ""},
                   {"opened", at(4)},
                   {"cause", {{"service", service_}, {"kind", "bad release"}, {"confidence", 0.9}}},
                   {"actions", Json::array()},
                   {"events", Json::array({{{"sequence", 1},
                                            {"time", at(4)},
                                            {"kind", "opened"},
                                            {"sentence", "opened by an alert"}},
                                           {{"sequence", 2},
                                            {"time", at(4)},
                                            {"kind", "diagnosed"},
                                            {"sentence", "it is the release"}}})}};
    }
    if (incident_.is_null()) return;
    if (since >= seconds(5) && incident_["actions"].empty()) {
      incident_["actions"].push_back(
          {{"action", {{"id", "a"}, {"kind", "rollback_revision"}, {"workload", target_}}},
           {"stands", true},
           {"started", at(5)}});
      Json patch;
      patch["spec"]["template"]["spec"]["containers"] =
          Json::array({{{"name", "server"}, {"image", target_ + ":v1"}}});
      patch["metadata"]["annotations"]["by"] = "agent";
      ASSERT_TRUE(it_.cluster.Patch(kube::kDeployment, "boutique", target_,
                                    kube::PatchType::kStrategicMerge, patch));
      if (target_ != "pay") patch["spec"]["replicas"] = 2;
      ASSERT_TRUE(it_.cluster.Patch(kube::kDeployment, "boutique", target_,
                                    kube::PatchType::kStrategicMerge, patch));
    }
    if (since >= seconds(15)) {
      incident_["outcome"] = "resolved";
      incident_["stage"] = "resolved";
      incident_["closed"] = at(15);
    }
    it_.incidents = Json::array({{{"id", "i1"}, {"outcome", incident_["outcome"]}}});
  }

  Seen Run(const Drill& drill, RunOptions options = {}) {
    return Runner(it_.world(), TestObjectives(), it_.manifests, it_.show, options).Run(drill);
  }

  TestWorld it_;
  std::optional<base::Duration> broken_;
  Json incident_;
  bool agent_works_ = true;
  std::string service_ = "pay";
  std::string target_ = "pay";
};

TEST_F(RunnerTest, AnAgentThatIsRightPasses) {
  const Drill drill = TestDrill();
  const Seen seen = Run(drill);
  const Verdict verdict = Judge(drill, seen);
  EXPECT_THAT(verdict.faults, IsEmpty());
  EXPECT_EQ(verdict.detection, seconds(3));
  EXPECT_EQ(verdict.recovery, seconds(5));
  EXPECT_EQ(seen.Acted(), seen.broken + seconds(5));
  EXPECT_THAT(it_.show.phases, Contains(Phase::kWell));
  EXPECT_THAT(it_.show.lines, Contains(HasSubstr("set image deployment/pay server=pay:v2")));
  EXPECT_THAT(it_.show.lines, Contains("agent: it is the release"));
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1");
  EXPECT_GE(it_.host.put_back, 2) << "before and after";
}

TEST_F(RunnerTest, AWrongFirstCauseFails) {
  service_ = "cart";
  const Drill drill = TestDrill();
  const Verdict verdict = Judge(drill, Run(drill));
  EXPECT_FALSE(verdict.ranked);
  EXPECT_TRUE(verdict.acceptable);
  EXPECT_THAT(verdict.faults, Contains(HasSubstr("the agent said cart: bad release")));
}

TEST_F(RunnerTest, TouchingWhatIsHealthyIsHarm) {
  target_ = "cart";
  const Drill drill = TestDrill();
  const Seen seen = Run(drill);
  const Verdict verdict = Judge(drill, seen);
  EXPECT_FALSE(verdict.harmless);
  EXPECT_FALSE(verdict.acceptable);
  EXPECT_FALSE(verdict.recovered) << "what was broken still is";
  EXPECT_THAT(seen.touched, Contains("boutique/Deployment/cart was changed"));
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1") << "put back all the same";
}

TEST_F(RunnerTest, OfTwoFaultsTheSecondMayBeFeltLater) {
  Drill drill = TestDrill();
  drill.causes.push_back({.services = {"cart"}, .kinds = {"crash"}, .actions = {"restart"}});
  it_.agent.answers["/api/incidents/i2"] = [&] {
    Json second = incident_;
    second["id"] = "i2";
    second["actions"] = Json::array();
    second["cause"] = {{"service", "cart"}, {"kind", "crash"}, {"confidence", 0.9}};
    return second;
  };
  it_.pace.on_wait = [this] {
    Pass();
    if (!broken_) return;
    const auto since = it_.pace.passed() - *broken_;
    if (since >= seconds(30) && since < seconds(33)) it_.errors = 0.5;
    if (since >= seconds(32)) it_.incidents.push_back({{"id", "i2"}, {"outcome", "resolved"}});
  };
  const Seen seen = Run(drill);
  const Verdict verdict = Judge(drill, seen);
  EXPECT_THAT(verdict.faults, IsEmpty());
  EXPECT_TRUE(verdict.ranked);
  EXPECT_EQ(verdict.recovery, seconds(32));
  EXPECT_LT(seen.ended - seen.broken, seconds(50)) << "found, it is not waited for any longer";
}

TEST_F(RunnerTest, NobodyWhoRepairsFailsAfterTheWholeTime) {
  agent_works_ = false;
  const Drill drill = TestDrill();
  const Seen seen = Run(drill);
  EXPECT_GE(seen.ended - seen.broken, drill.whole);
  const Verdict verdict = Judge(drill, seen);
  EXPECT_FALSE(verdict.detected);
  EXPECT_FALSE(verdict.recovered);
  EXPECT_THAT(verdict.faults, Contains("no incident was opened"));
}

TEST_F(RunnerTest, AnInterruptPutsBack) {
  agent_works_ = false;
  it_.pace.on_wait = [this] {
    Pass();
    if (it_.errors > 0) it_.pace.ended = true;
  };
  const Drill drill = TestDrill();
  const Seen seen = Run(drill);
  EXPECT_TRUE(seen.interrupted);
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1");
  EXPECT_FALSE(Judge(drill, seen).passed());
}

TEST_F(RunnerTest, WhatIsNotSteadyIsNotBroken) {
  agent_works_ = false;
  it_.errors = 1;
  const Seen seen = Run(TestDrill(), {.steady_timeout = seconds(20)});
  EXPECT_THAT(seen.failed, HasSubstr("errors is not met"));
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1");
  EXPECT_FALSE(Judge(TestDrill(), seen).passed());
}

TEST_F(RunnerTest, NothingIsBrokenWhileUsersObjectivesStillPage) {
  const auto alert = [](const char* state, const char* severity, const char* slo) {
    return Json{
        {"state", state},
        {"labels",
         {{"alertname", "TooSlow"}, {"severity", severity}, {"slo", slo}, {"service", "cart"}}}};
  };
  it_.alerts = {alert("pending", "page", "latency"), alert("firing", "ticket", "latency"),
                alert("firing", "page", "")};
  EXPECT_TRUE(Run(TestDrill()).failed.empty());
  it_.alerts.push_back(alert("firing", "page", "latency"));
  const Seen seen = Run(TestDrill(), {.steady_timeout = seconds(60)});
  EXPECT_THAT(seen.failed, HasSubstr("TooSlow of cart still fires"));
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1");
}

TEST_F(RunnerTest, AQuietDrillLastsItsTimeAndAllowsNoIncident) {
  Drill drill = TestDrill();
  drill.causes.clear();
  drill.faults = {{.kind = FaultKind::kRestart, .after = seconds(3), .workload = "pay"}};
  agent_works_ = false;
  const Seen quiet = Run(drill);
  EXPECT_GE(quiet.ended - quiet.broken, drill.whole);
  EXPECT_TRUE(Judge(drill, quiet).passed());

  agent_works_ = true;
  broken_ = it_.pace.passed() + seconds(20);  // when all is steady again
  const Seen loud = Run(drill);
  EXPECT_THAT(Judge(drill, loud).faults, Contains(HasSubstr("though nothing was wrong")));
}

TEST_F(RunnerTest, UnattendedTheDrillPutsItBackItself) {
  agent_works_ = false;
  const Drill drill = TestDrill();
  const Seen seen = Run(drill, {.unattended = true, .shown_broken = seconds(10)});
  ASSERT_TRUE(seen.first_bad);
  EXPECT_LT(seen.ended - seen.broken, seconds(20));
  EXPECT_EQ(it_.ImageOf("pay"), "pay:v1");
  EXPECT_THAT(it_.agent.asked, IsEmpty());
}

TEST_F(RunnerTest, TheAgentIsOnlyAsked) {
  Run(TestDrill());
  for (const std::string& target : it_.agent.asked)
    EXPECT_THAT(target, testing::StartsWith("/api/incidents"));
}

TEST_F(RunnerTest, TheFirstFailingRequestLeadsToItsLine) {
  const auto nanoseconds = [&](int second) {
    return std::to_string(
        (base::WallTime(kTestStart) + *broken_ + seconds(second)).time_since_epoch().count());
  };
  it_.observatory.answers["/api/search"] = [&] {
    return Json{
        {"traces", Json::array({{{"traceID", "late"}, {"startTimeUnixNano", nanoseconds(2)}},
                                {{"traceID", "early"},
                                 {"rootTraceName", "shopper checkout"},
                                 {"durationMs", 12},
                                 {"startTimeUnixNano", nanoseconds(1)}},
                                {{"traceID", "before"}, {"startTimeUnixNano", nanoseconds(-9)}}})}};
  };
  it_.observatory.answers["/api/traces/early"] = [] {
    const auto attribute = [](const char* key, const char* value) {
      return Json{{"key", key}, {"value", {{"stringValue", value}}}};
    };
    return Json{
        {"batches",
         Json::array(
             {{{"resource", {{"attributes", {attribute("service.name", "pay")}}}},
               {"scopeSpans",
                Json::array(
                    {{{"spans",
                       Json::array(
                           {{{"spanId", "c"},
                             {"parentSpanId", "b"},
                             {"name", "check card"},
                             {"status", {{"code", 2}}},
                             {"attributes",
                              {attribute("code.filepath", "pay.cc"),
                               attribute("code.lineno", "7")}}},
                            {{"spanId", "a"}, {"status", {{"code", 2}}}, {"name", "root"}},
                            {{"spanId", "b"},
                             {"parentSpanId", "a"},
                             {"name", "Charge"},
                             {"status", {{"code", "STATUS_CODE_ERROR"}}},
                             {"attributes",
                              {attribute("code.filepath", "card.cc"),
                               attribute("code.lineno", "41")}},
                             {"events", Json::array({{{"name", "exception"},
                                                      {"attributes",
                                                       {attribute("exception.type", "Refused"),
                                                        attribute("exception.message",
                                                                  "no card")}}}})}}})}}})}}})}};
  };
  const Drill drill = TestDrill();
  const Seen seen = Run(drill);
  ASSERT_TRUE(seen.request);
  EXPECT_EQ(seen.request->trace, "early");
  EXPECT_EQ(seen.request->place, "card.cc:41");
  EXPECT_EQ(seen.request->error, "Refused: no card");
  std::vector<std::string> lines;
  for (const StoryStep& step : Story(drill, seen, Judge(drill, seen))) lines.push_back(step.text);
  EXPECT_THAT(lines, Contains(HasSubstr("trace early")));
  EXPECT_THAT(lines, Contains(HasSubstr("pay at card.cc:41: Refused: no card")));
  EXPECT_THAT(lines, Contains(HasSubstr("rollback_revision of pay")));
  const Json json = ToJson(drill, seen, Judge(drill, seen));
  EXPECT_EQ(json["passed"], true);
  EXPECT_EQ(json["request"]["place"], "card.cc:41");
}

TEST(SummaryTest, HasMedianAndWorstOfEachDrill) {
  const auto run = [](const char* name, int detection, int recovery, bool ranked) {
    Outcome one{.drill = name};
    one.verdict.ranked = ranked;
    one.verdict.recovered = one.verdict.harmless = true;
    one.verdict.detection = seconds(detection);
    one.verdict.recovery = seconds(recovery);
    if (!ranked) one.verdict.faults = {"not ranked"};
    return one;
  };
  const auto rows = Summary({run("a", 1, 10, true),
                             run("a", 3, 30, false),
                             run("a", 2, 20, true),
                             run("b", 5, 50, true),
                             {.drill = "quiet", .quiet = true}});
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_THAT(rows[1],
              testing::ElementsAre("a", "3", "2", "2", "3", "0", "2.0", "3.0", "20.0", "30.0"));
  EXPECT_EQ(rows[4][1], "4") << "the quiet one has nothing to find";
  EXPECT_EQ(rows[4][8], "25.0");
}

TEST(StoryTest, IsToldInOrderOfTimeWithTheTraceOfTheCommand) {
  const Drill drill = TestDrill();
  const base::WallTime begin(kTestStart);
  Seen seen{.trace = "c0ffee", .broken = begin};
  seen.first_bad = begin + seconds(6);
  seen.readings = {{.time = begin + seconds(6), .broken = {"errors"}}};
  seen.incidents = {{.id = "inc-1", .trace = "abc", .opened = begin + seconds(5)}};
  std::vector<std::string> told;
  for (const StoryStep& step : Story(drill, seen, {}))
    told.push_back(step.when + "|" + step.what + "|" + step.text.substr(0, 19));
  EXPECT_THAT(told,
              testing::ElementsAre("+0.0 s|command|kubectl -n boutique", "||its trace is c0ffee",
                                   "+5.0 s|detection|incident inc-1 was ", "||its trace is abc",
                                   "+6.0 s|objective|errors not met"));
  EXPECT_EQ(ToJson(drill, seen, {})["trace"], "c0ffee");
}

TEST(LiveViewTest, LinesFitAndShowThePhases) {
  const Drill drill = TestDrill();
  Seen seen{.broken = base::WallTime(kTestStart)};
  for (int i = 0; i < 200; ++i)
    seen.readings.push_back({.time = seen.broken + seconds(i), .values = {{"errors", i / 200.0}}});
  seen.incidents = {{.id = "inc-1",
                     .opened = seen.broken + seconds(4),
                     .causes = {{.service = "pay",
                                 .kind = "bad release",
                                 .confidence = 0.9,
                                 .evidence = {std::string(300, 'e')}}}}};
  const std::vector<Reading> calm(5, {.values = {{"errors", 0.0}}});
  const std::vector<ToldLine> told(
      20, {.time = seen.broken + seconds(4), .text = std::string(300, 'x')});
  const std::string waits;
  for (const std::size_t width : {40U, 80U, 120U}) {
    const auto lines = Picture({.drill = drill,
                                .seen = seen,
                                .phase = Phase::kDetected,
                                .began = seen.broken - seconds(9),
                                .now = seen.broken + seconds(7),
                                .calm = calm,
                                .told = told,
                                .waits = waits},
                               TestObjectives(), {.width = width, .height = 12, .colour = false});
    EXPECT_THAT(lines[0], HasSubstr("7 s"));
    EXPECT_THAT(lines[1], HasSubstr("● broken"));
    if (width >= 80) EXPECT_THAT(lines[1], HasSubstr("○ well again"));
    EXPECT_THAT(lines, Contains(HasSubstr("pay: bad release")));
    EXPECT_THAT(lines, Contains(HasSubstr("+4.0 s  xxx")));
    EXPECT_LT(lines.size(), 13U);
    for (const std::string& line : lines) {
      const auto shown = std::ranges::count_if(
          line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
      EXPECT_LE(static_cast<std::size_t>(shown), width) << line;
    }
  }
}

TEST_F(RunnerTest, WhatItWaitsForIsShownBeforeItBreaks) {
  it_.errors = 1;
  agent_works_ = false;
  Run(TestDrill(), {.steady_timeout = seconds(5)});
  EXPECT_THAT(it_.show.waits, Contains("errors is not met"));
}

TEST_F(RunnerTest, WhatAKilledDrillLeftIsPutBack) {
  Json patch;
  patch["spec"]["replicas"] = 0;
  ASSERT_TRUE(
      it_.cluster.Patch(kube::kDeployment, "boutique", "cart", kube::PatchType::kMerge, patch));
  const std::string uid = (*it_.cluster.Get(kube::kPod, "boutique", "pay-1-a"))->uid();
  Runner runner(it_.world(), TestObjectives(), it_.manifests, it_.show, {});
  const auto written = runner.PutBack("boutique");
  ASSERT_TRUE(written);
  EXPECT_THAT(*written, testing::ElementsAre("Deployment/cart"));
  EXPECT_THAT(it_.host.continued, Contains(uid)) << "its processes may be stopped";
}

TEST(LiveViewTest, ASparklineShowsTheLastValues) {
  EXPECT_EQ(Sparkline({1, std::nullopt, 0, 10}, 3, 1), "·▁█");
  EXPECT_EQ(Sparkline({0.0, 0.0}, 10, 1), "▁▁");
}

}  // namespace
}  // namespace enclave::lab::drills
