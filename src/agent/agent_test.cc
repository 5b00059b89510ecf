#include "agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/console_api.h"
#include "agent/test_support.h"

namespace enclave::agent {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class AnsweringDiagnoser final : public Diagnoser {
 public:
  explicit AnsweringDiagnoser(base::Executor& executor) : executor_(executor) {}
  void Freeze(const EvidenceQuestion& question,
              std::function<void(base::Result<incident::Context>)> done) override {
    ++frozen;
    if (silent) return;
    incident::Context context{.id = question.incident + "-c"};
    context.changes = {{.id = "c1",
                        .time_ns = question.opened_ns,
                        .service = "cart",
                        .kind = incident::ChangeKind::kRollout,
                        .object = "Deployment shop/cart",
                        .trace_id = trace::TraceId::Parse("0af7651916cd43dd8448eb211c80319c")}};
    executor_.After(seconds(1), [done, context] { done(context); });
  }
  void Diagnose(const incident::Context&,
                std::function<void(base::Result<rca::Diagnosis>)> done) override {
    rca::Diagnosis diagnosis{.summary = "cart's release [v2]"};
    diagnosis.ranking = {{.service = "cart",
                          .kind = rca::CauseKind::kBadRelease,
                          .confidence = frozen <= weak ? 0.05 : 0.9,
                          .evidence = {{"c1", 2.0, "it was released"}},
                          .sentence = "cart was released and fails"}};
    executor_.After(seconds(1), [done, diagnosis] { done(diagnosis); });
  }
  int frozen = 0;
  int weak = 0;  // the first contexts, which show little
  bool silent = false;

 private:
  base::Executor& executor_;
};

class FakeObjectives final : public Objectives {
 public:
  base::Result<std::vector<Objective>> State(base::WallTime) override {
    if (blind) return base::Fail(base::ErrorKind::kUnavailable, "no metrics");
    return std::vector{Objective{.name = "front",
                                 .service = "front",
                                 .well = !broken(),
                                 .bad_ratio = broken() ? 0.5 : 0,
                                 .unasked = unasked()}};
  }
  base::Result<Impact> Felt(std::int64_t, std::int64_t) override {
    return Impact{.users = 12, .requests = 300, .budget_spent = 0.02};
  }
  std::function<bool()> broken = [] { return false; };
  std::function<base::Duration()> unasked = [] { return base::Duration(0); };
  bool blind = false;
};

class NotingMemory final : public Memory {
 public:
  std::vector<Past> Recall(const incident::Context&) override { return {}; }
  base::Result<> Remember(const std::string&, const incident::Context&,
                          const rca::Diagnosis&) override {
    return {};
  }
  base::Result<> Learn(const std::vector<Lesson>& learned) override {
    lessons = learned;
    return {};
  }
  std::vector<Lesson> lessons;
};

class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    directory = (std::filesystem::temp_directory_path() / "enclave-agent-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    MakeDeployment(api, "cart", 1);
    MakeDeployment(api, "front", 1);
    MakeDeployment(api, "mail", 1);
    Restart();
  }
  void TearDown() override {
    agent.reset();
    ledger.reset();
    std::filesystem::remove_all(directory);
  }
  // A new process with the same ledger.
  void Restart() {
    agent.reset();
    ledger.reset();
    auto opened = SqliteLedger::Open(directory + "/ledger.db");
    ASSERT_TRUE(opened) << opened.error().message();
    ledger = std::move(*opened);
    auto started = Agent::Start(
        policy, {.executor = time,
                 .random = random,
                 .ledger = *ledger,
                 .api = api,
                 .dry_run = dry_run,
                 .diagnoser = diagnoser,
                 .objectives = objectives,
                 .memory = &memory,
                 .tracer = &tracer,
                 .publish = [this](const Record&, const std::string& markdown) -> base::Result<> {
                   report = markdown;
                   return {};
                 }});
    ASSERT_TRUE(started) << started.error().message();
    agent = std::move(*started);
    agent->SetTopology({{"front", "cart"}});
  }
  std::int64_t NowNs() { return time.WallNow().time_since_epoch().count(); }
  void Alert(bool firing = true) {
    AlertEvent alert = Firing("front", NowNs());
    alert.firing = firing;
    agent->OnAlert(alert);
  }
  RecordPtr Only() {
    const auto snapshot = agent->snapshot();
    EXPECT_THAT(snapshot->records, SizeIs(1));
    return snapshot->records.front();
  }
  void BreakUntilRollback() {
    objectives.broken = [this] { return ImageOf(api, "cart") == "cart:v2"; };
    time.RunFor(seconds(3));
    Alert();
  }
  net::Response Ask(const std::string& method, const std::string& path,
                    const std::string& body = "") {
    ConsoleApi console({.agent = *agent,
                        .ledger = *ledger,
                        .clock = time,
                        .on_agent = [this](auto what) { return what(*agent); },
                        .ready = [] { return true; }});
    net::Request request{.method = method, .path = path, .body = body};
    if (!body.empty()) request.headers["Content-Type"] = "application/json";
    return console.Handle(request);
  }

  base::SimulatedExecutor time;
  base::SeededRandom random{1};
  kube::FakeApi api{time, random};
  AgreeingDryRun dry_run;
  AnsweringDiagnoser diagnoser{time};
  FakeObjectives objectives;
  NotingMemory memory;
  std::vector<telemetry::Span> spans;
  otel::Tracer tracer{time, random, [this](otel::EndedSpan one) { spans.push_back(one.span); }};
  Policy policy = TestPolicy();
  std::string directory;
  std::string report;
  std::unique_ptr<SqliteLedger> ledger;
  std::unique_ptr<Agent> agent;
};

TEST_F(AgentTest, FindsRepairsVerifiesAndTells) {
  BreakUntilRollback();
  EXPECT_EQ(Only()->stage, Stage::kDetected);
  time.RunFor(seconds(20));
  EXPECT_EQ(Only()->outcome, Stage::kResolved) << Only()->why;
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v1");
  EXPECT_EQ(Only()->taken[0].verdict, Verdict::kHelped);
  EXPECT_EQ(Only()->stage, Stage::kLearned);
  for (const char* part : {"## Summary", "## Impact", "12 of 300", "## Timeline", "## Cause",
                           "cart was released and fails", "[c1]", "## Action", "rollback_revision",
                           "## What would have caught it earlier"})
    EXPECT_THAT(report, HasSubstr(part));
}

TEST_F(AgentTest, ItsStepsAreSpansOfTheTraceThatItAdopted) {
  BreakUntilRollback();
  time.RunFor(seconds(20));
  ASSERT_TRUE(Only()->trace);
  std::vector<std::string> names;
  for (const telemetry::Span& span : spans) {
    EXPECT_EQ(span.trace_id, *Only()->trace) << span.name;
    names.push_back(span.name);
    if (span.name == "freeze context")
      EXPECT_GE(span.end_ns - span.start_ns, 1'000'000'000) << "as long as it took";
  }
  for (const char* step : {"freeze context", "diagnose", "plan", "act", "verify", "incident"})
    EXPECT_THAT(names, Contains(step));
}

TEST_F(AgentTest, AMissedObjectiveIsNoticedWithoutAnAlert) {
  objectives.broken = [this] { return ImageOf(api, "cart") == "cart:v2"; };
  time.RunFor(policy.notice + seconds(2));
  ASSERT_THAT(agent->snapshot()->records, SizeIs(1));
  EXPECT_EQ(Only()->alerts.front().name, kObjectiveMissed);
  Restart();  // what is known to fire is not said again
  time.RunFor(seconds(20));
  EXPECT_EQ(Only()->outcome, Stage::kResolved) << Only()->why;
  EXPECT_THAT(Only()->alerts, SizeIs(1));
  EXPECT_FALSE(Only()->alerts.front().firing);
}

TEST_F(AgentTest, AFurtherMissAfterTheRepairIsAnotherIncident) {
  BreakUntilRollback();
  time.RunFor(seconds(20));
  ASSERT_EQ(Only()->outcome, Stage::kResolved);
  bool again = true;
  objectives.broken = [&again] { return again; };
  time.RunFor(seconds(10));
  EXPECT_THAT(agent->snapshot()->records, SizeIs(2));
}

TEST_F(AgentTest, WhatIsNotTheAgentsToTouchOpensNothing) {
  AlertEvent alert = Firing("observatory", NowNs());
  alert.ns = "observatory";
  agent->OnAlert(alert);
  EXPECT_THAT(agent->snapshot()->records, SizeIs(0));
  EXPECT_EQ(agent->snapshot()->alerts_ignored, 1u);
}

TEST_F(AgentTest, AnAlertThatEndsByItselfTouchesNothing) {
  time.RunFor(seconds(5));
  Alert();
  time.RunFor(seconds(4));
  Alert(false);
  time.RunFor(seconds(10));
  EXPECT_EQ(Only()->outcome, Stage::kResolved);
  EXPECT_TRUE(Only()->taken.empty());
}

TEST_F(AgentTest, AnAlertWithoutAMissedObjectiveIsWatchedAndHandedOver) {
  Alert();
  time.RunFor(seconds(60));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated);
  EXPECT_TRUE(Only()->taken.empty());
}

TEST_F(AgentTest, WhatDoesNotHelpIsUndoneAndTheNextIsTried) {
  objectives.broken = [] { return true; };
  time.RunFor(seconds(3));
  Alert();
  time.RunFor(seconds(300));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated) << Only()->why;
  ASSERT_GE(Only()->taken.size(), 2u);
  EXPECT_EQ(Only()->taken[0].state, Taken::State::kUndone);
  EXPECT_EQ(Only()->taken[1].action.kind, ActionKind::kRestart);
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v2") << "as it was";
  EXPECT_THAT(memory.lessons, Contains(testing::Field(&Lesson::action, "rollback_revision")));
}

TEST_F(AgentTest, EvidenceThatShowsLittleIsTakenAgain) {
  diagnoser.weak = 2;
  BreakUntilRollback();
  time.RunFor(seconds(60));
  EXPECT_EQ(Only()->outcome, Stage::kResolved) << Only()->why;
  EXPECT_EQ(Only()->taken.size(), 1u);
  EXPECT_EQ(Only()->contexts, 3u);
}

TEST_F(AgentTest, EvidenceThatGoesOnShowingLittleIsForPeople) {
  diagnoser.weak = 100;
  BreakUntilRollback();
  time.RunFor(seconds(120));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated);
  EXPECT_THAT(Only()->taken, IsEmpty());
  EXPECT_EQ(Only()->contexts, policy.looks);
}

TEST_F(AgentTest, PeopleAreToldWhatWasNotAllowed) {
  policy.guardrail.per_hour = 0;
  Restart();
  BreakUntilRollback();
  time.RunFor(seconds(120));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated);
  EXPECT_THAT(Only()->taken, IsEmpty());
  EXPECT_THAT(Only()->why, HasSubstr("no safe action is left to try: 0 actions were taken"));
}

TEST_F(AgentTest, AnUndoThatWouldTakeTheLastPodIsNotDone) {
  Json cart = (*api.Get(kube::kDeployment, "shop", "cart"))->json();
  cart["spec"]["replicas"] = 0;
  ASSERT_TRUE(api.Update(kube::kDeployment, cart));
  policy.allowed.insert(ActionKind::kScale);
  policy.rules = {{.name = "more", .attempts = {{.kind = ActionKind::kScale, .most = 3}}}};
  Restart();
  objectives.broken = [] { return true; };
  time.RunFor(seconds(3));
  Alert();
  time.RunFor(seconds(300));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated) << Only()->why;
  ASSERT_GE(Only()->taken.size(), 1u);
  EXPECT_EQ(Only()->taken[0].verdict, Verdict::kNoHelp);
  EXPECT_TRUE(Only()->taken[0].stands());
  EXPECT_EQ(memory.lessons.size(), Only()->taken.size() - 1) << "it was needed";
  EXPECT_GE(kube::IntAt((*api.Get(kube::kDeployment, "shop", "cart"))->json(), "spec.replicas"), 1);
}

TEST_F(AgentTest, WhatNobodyHasAskedForSinceTheRepairIsWaitedFor) {
  bool broken = true;
  objectives.broken = [&] { return broken; };
  std::optional<base::MonoTime> repaired;
  objectives.unasked = [&] {
    if (!repaired && ImageOf(api, "cart") == "cart:v1") repaired = time.Now();
    return repaired ? time.Now() - *repaired : base::Duration(0);
  };
  time.RunFor(seconds(3));
  Alert();
  time.RunFor(seconds(38));
  ASSERT_TRUE(repaired);
  EXPECT_EQ(Only()->stage, Stage::kVerifying);
  EXPECT_EQ(Only()->taken.size(), 1u);
  broken = false;
  time.RunFor(seconds(10));
  EXPECT_EQ(Only()->outcome, Stage::kResolved) << Only()->why;
  EXPECT_EQ(Only()->taken[0].verdict, Verdict::kHelped);
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v1");
}

TEST_F(AgentTest, WhatNobodyEverAsksForAgainIsForPeopleToSee) {
  objectives.broken = [] { return true; };
  objectives.unasked = [this] {
    return ImageOf(api, "cart") == "cart:v1" ? base::Duration(seconds(200)) : base::Duration(0);
  };
  time.RunFor(seconds(3));
  Alert();
  time.RunFor(seconds(100));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated) << Only()->why;
  ASSERT_EQ(Only()->taken.size(), 1u);
  EXPECT_EQ(Only()->taken[0].verdict, Verdict::kBlind);
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v1") << "it stays";
}

TEST_F(AgentTest, UndoneAndWellIsRolledBack) {
  bool broken = true;
  objectives.broken = [&] { return broken; };
  time.RunFor(seconds(3));
  Alert();
  while (Only()->taken.empty() || Only()->taken[0].state != Taken::State::kUndone) {
    ASSERT_TRUE(time.RunOne());
    ASSERT_LT(time.Now().time_since_epoch(), seconds(200));
  }
  broken = false;
  time.RunFor(seconds(10));
  EXPECT_EQ(Only()->outcome, Stage::kRolledBack);
}

TEST_F(AgentTest, BlindItTouchesNothing) {
  objectives.blind = true;
  Alert();
  time.RunFor(seconds(60));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated);
  EXPECT_TRUE(Only()->taken.empty());
}

TEST_F(AgentTest, SilentEvidenceIsAskedAgainAndThenGivenUp) {
  diagnoser.silent = true;
  objectives.broken = [] { return true; };
  Alert();
  time.RunFor(seconds(180));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated);
  EXPECT_THAT(Only()->why, HasSubstr("no evidence"));
  EXPECT_GT(diagnoser.frozen, 3);
}

TEST_F(AgentTest, PeopleDecideInHumanModeAcrossRestarts) {
  ASSERT_TRUE(agent->SetMode(Mode::kHuman, "alice", "holidays"));
  BreakUntilRollback();
  time.RunFor(seconds(10));
  EXPECT_EQ(Only()->stage, Stage::kAwaitingApproval);
  Restart();
  EXPECT_EQ(agent->snapshot()->mode, Mode::kHuman);
  EXPECT_EQ(Only()->stage, Stage::kAwaitingApproval);
  time.RunFor(seconds(5));
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v2");
  EXPECT_EQ(Ask("POST", "/api/approve/" + Only()->id, "{\"by\": \"alice\"}").status, 200);
  time.RunFor(seconds(20));
  EXPECT_EQ(Only()->outcome, Stage::kResolved);
  EXPECT_EQ(Only()->taken[0].approved_by, "alice");
}

TEST_F(AgentTest, ARejectedPlanGivesWayToTheNext) {
  ASSERT_TRUE(agent->SetMode(Mode::kHuman, "alice", ""));
  BreakUntilRollback();
  time.RunFor(seconds(10));
  EXPECT_EQ(Ask("POST", "/api/reject/" + Only()->id, "{}").status, 400) << "why is asked for";
  EXPECT_EQ(Ask("POST", "/api/reject/" + Only()->id, R"({"by": "bob", "why": "no"})").status, 200);
  time.RunFor(seconds(2));
  EXPECT_EQ(Only()->stage, Stage::kAwaitingApproval);
  EXPECT_EQ(Only()->Candidate()->kind, ActionKind::kRestart);
  EXPECT_EQ(Only()->skipped[0].by, "bob");
  time.RunFor(seconds(120));
  EXPECT_EQ(Only()->outcome, Stage::kEscalated) << "nobody approved";
}

TEST_F(AgentTest, TheBreakerHandsOverToPeople) {
  agent->OnBreakerOpen();
  EXPECT_EQ(agent->snapshot()->mode, Mode::kHuman);
  EXPECT_EQ(agent->snapshot()->mode_by, "circuit breaker");
}

TEST_F(AgentTest, ADeathBetweenDeedAndLedgerRepeatsNothing) {
  BreakUntilRollback();
  // The answers of all writes get lost, and the process dies before it can find out.
  api.SetFault([](const kube::FakeApi::Call& call) -> std::optional<base::Error> {
    if (call.verb == "update" && call.done)
      return base::Error(base::ErrorKind::kUnavailable, "lost");
    return std::nullopt;
  });
  while (Only()->stage != Stage::kActing) ASSERT_TRUE(time.RunOne());
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v1") << "it happened";
  api.SetFault({});
  api.ClearCalls();
  Restart();
  time.RunFor(seconds(30));
  EXPECT_EQ(Only()->outcome, Stage::kResolved);
  EXPECT_THAT(Only()->taken, SizeIs(1));
  for (const auto& call : api.calls()) EXPECT_NE(call.verb, "update");
}

TEST_F(AgentTest, TheConsoleTellsTheStory) {
  BreakUntilRollback();
  time.RunFor(seconds(20));
  const std::string id = Only()->id;
  const Json list = Json::parse(Ask("GET", "/api/incidents").body);
  EXPECT_EQ(list["incidents"][0]["id"], id);
  EXPECT_EQ(list["incidents"][0]["cause"]["service"], "cart");
  const Json one = Json::parse(Ask("GET", "/api/incidents/" + id).body);
  EXPECT_EQ(one["outcome"], "resolved");
  EXPECT_EQ(one["actions"][0]["verdict"], "helped");
  EXPECT_GT(one["events"].size(), 6u);
  EXPECT_THAT(one["report"].get<std::string>(), HasSubstr("12 of 300"));
  EXPECT_EQ(list["incidents"][0]["links"],
            Json::array({{{"trace", "0af7651916cd43dd8448eb211c80319c"},
                          {"kind", "change"},
                          {"what", "Deployment shop/cart was changed under it"}}}));
  // Plain for the console, escaped for Markdown.
  const auto sentence = [&](const std::string& kind) {
    for (const Json& event : one["events"])
      if (event["kind"] == kind) return event["sentence"].get<std::string>();
    return std::string();
  };
  EXPECT_EQ(sentence("diagnosed"), "diagnosed: cart's release [v2]");
  EXPECT_THAT(sentence("planned"),
              testing::MatchesRegex("planned: (1 candidate|[2-9] candidates)"));
  EXPECT_EQ(sentence("learned"), "remembered; 12 of 300 requests of users failed or came late");
  EXPECT_THAT(one["report"].get<std::string>(), HasSubstr("cart's release \\[v2\\]"));
  EXPECT_EQ(Ask("GET", "/api/incidents/inc-none").status, 404);
  EXPECT_EQ(Ask("POST", "/api/approve/" + id, "{}").status, 422) << "nothing waits";
  EXPECT_EQ(Ask("PUT", "/api/mode", R"({"mode": "human", "by": "alice"})").status, 200);
  EXPECT_EQ(Json::parse(Ask("GET", "/api/mode").body)["mode"], "human");
  EXPECT_EQ(Ask("PUT", "/api/mode", R"({"mode": "robot"})").status, 400);
  EXPECT_EQ(Ask("POST", "/webhook").status, 415) << "only JSON changes anything";
  EXPECT_EQ(Ask("POST", "/webhook", "{}").status, 400);
  EXPECT_EQ(Ask("DELETE", "/api/mode").status, 405);
  EXPECT_EQ(Ask("GET", "/else").status, 404);
  EXPECT_EQ(Ask("GET", "/-/ready").status, 200);
  EXPECT_THAT(Ask("GET", "/metrics").body,
              HasSubstr("enclave_agent_incidents_total{outcome=\"resolved\"} 1"));
}

TEST_F(AgentTest, TheWebhookOpensAnIncident) {
  const auto taken = Ask("POST", "/webhook", R"({"alerts": [{"status": "firing", "labels":
      {"alertname": "Errors", "service": "front", "namespace": "shop"}}]})");
  EXPECT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(Only()->services.front(), "front");
}

}  // namespace
}  // namespace enclave::agent
