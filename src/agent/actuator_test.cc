#include "agent/actuator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <set>

#include "agent/planner.h"
#include "agent/remedies.h"
#include "agent/test_support.h"
#include "otel/context.h"

namespace enclave::agent {
namespace {

using base::ErrorKind;
using testing::HasSubstr;

class ActuatorTest : public testing::Test {
 protected:
  void SetUp() override { MakeDeployment(api, "cart", 2); }
  kube::ObjectPtr Cart() { return *api.Get(kube::kDeployment, "shop", "cart"); }
  Step ImageStep(const std::string& from, const std::string& to) {
    return {.resource = "deployments.apps",
            .ns = "shop",
            .name = "cart",
            .uid = Cart()->uid(),
            .edits = {{"/spec/template/spec/containers/0/image", from, to}}};
  }
  std::string Annotation(const std::string& key) {
    return Cart()->json()["metadata"]["annotations"].value(key, "");
  }
  std::size_t Updates() {
    std::size_t count = 0;
    for (const auto& call : api.calls()) count += call.verb == "update" ? 1 : 0;
    return count;
  }

  base::SimulatedExecutor time;
  base::SeededRandom random{1};
  kube::FakeApi api{time, random};
  Marks marks{
      .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", .action_id = "inc-1-a1", .incident = "inc-1"};
};

TEST_F(ActuatorTest, ChangesTheFieldAndMarksTheObject) {
  EXPECT_EQ(RunStep(api, ImageStep("cart:v2", "cart:v1"), marks), StepResult::kDone);
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v1");
  EXPECT_EQ(Annotation(kActionIdAnnotation), "inc-1-a1");
  EXPECT_EQ(Annotation(kTraceIdAnnotation), marks.trace_id);
  EXPECT_EQ(Annotation(kIncidentAnnotation), "inc-1");
}

TEST_F(ActuatorTest, ItsRequestsBelongToTheTraceOfTheIncident) {
  std::set<std::string> traces;
  const Step step = ImageStep("cart:v2", "cart:v1");
  api.SetFault([&](const kube::FakeApi::Call&) -> std::optional<base::Error> {
    const auto trace = otel::CurrentTrace();
    traces.insert(trace ? trace->trace_id.ToString() : "none");
    return std::nullopt;
  });
  ASSERT_TRUE(RunStep(api, step, marks));
  EXPECT_EQ(traces, (std::set{marks.trace_id}));
  EXPECT_FALSE(otel::CurrentTrace());
}

TEST_F(ActuatorTest, TheSameActionHappensOnce) {
  const Step step = ImageStep("cart:v2", "cart:v1");
  ASSERT_TRUE(RunStep(api, step, marks));
  // Somebody goes on from there; the repeated action must not come again.
  Json json = Cart()->json();
  json["spec"]["template"]["spec"]["containers"][0]["image"] = "cart:v2";
  ASSERT_TRUE(api.Update(kube::kDeployment, json));
  EXPECT_EQ(RunStep(api, step, marks), StepResult::kWasDone);
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v2");
}

TEST_F(ActuatorTest, ALostAnswerIsFoundOut) {
  api.SetFault([](const kube::FakeApi::Call& call) -> std::optional<base::Error> {
    if (call.verb == "update" && call.done)
      return base::Error(ErrorKind::kUnavailable, "the answer got lost");
    return std::nullopt;
  });
  const Step step = ImageStep("cart:v2", "cart:v1");
  const auto lost = RunStep(api, step, marks);
  ASSERT_FALSE(lost);
  EXPECT_TRUE(MayHaveHappened(lost.error()));
  api.SetFault({});
  EXPECT_EQ(RunStep(api, step, marks), StepResult::kWasDone);
}

TEST_F(ActuatorTest, WhatSomebodyChangedMeanwhileIsNotOverwritten) {
  const auto done = RunStep(api, ImageStep("cart:v7", "cart:v1"), marks);
  ASSERT_FALSE(done);
  EXPECT_FALSE(MayHaveHappened(done.error()));
  EXPECT_THAT(done.error().message(), HasSubstr("changed by somebody"));
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v2");
}

TEST_F(ActuatorTest, ALostRaceIsRunAgain) {
  int races = 2;
  api.SetFault([&](const kube::FakeApi::Call& call) -> std::optional<base::Error> {
    if (call.verb == "update" && !call.done && races-- > 0)
      return base::Error(ErrorKind::kConflict, "lost a race");
    return std::nullopt;
  });
  EXPECT_EQ(RunStep(api, ImageStep("cart:v2", "cart:v1"), marks), StepResult::kDone);
  EXPECT_EQ(Updates(), 3u);
}

TEST_F(ActuatorTest, ADryRunChangesNothing) {
  AgreeingDryRun dry_run;
  EXPECT_TRUE(TryStep(api, dry_run, ImageStep("cart:v2", "cart:v1"), marks));
  EXPECT_EQ(Updates(), 0u);
  dry_run.answer = base::Fail(ErrorKind::kPermissionDenied, "no");
  EXPECT_FALSE(TryStep(api, dry_run, ImageStep("cart:v2", "cart:v1"), marks));
}

TEST_F(ActuatorTest, AnUndoLeavesWhatNeverHappened) {
  marks = {.action_id = "inc-1-a1-undo", .incident = "inc-1", .undo = true};
  EXPECT_EQ(RunStep(api, ImageStep("cart:v1", "cart:v2"), marks), StepResult::kWasDone);
  EXPECT_EQ(Updates(), 0u);
}

TEST_F(ActuatorTest, APodIsMarkedAndGoesOnce) {
  const auto pod = api.Get(kube::kPod, "shop", "cart-pod-0");
  const Step step{.verb = Step::Verb::kDelete,
                  .resource = "pods",
                  .ns = "shop",
                  .name = "cart-pod-0",
                  .uid = (*pod)->uid()};
  EXPECT_EQ(RunStep(api, step, marks), StepResult::kDone);
  EXPECT_FALSE(api.Get(kube::kPod, "shop", "cart-pod-0"));
  ASSERT_TRUE(api.Create(kube::kPod, "shop", {{"metadata", {{"name", "cart-pod-0"}}}}));
  EXPECT_EQ(RunStep(api, step, marks), StepResult::kWasDone) << "another pod of the same name";
  EXPECT_TRUE(api.Get(kube::kPod, "shop", "cart-pod-0"));
}

TEST_F(ActuatorTest, AnActionComesBackFromTheLedgerAndIsItsInversesInverse) {
  Action action{.id = "inc-1-a1",
                .kind = ActionKind::kRollbackRevision,
                .ns = "shop",
                .workload = "cart",
                .steps = {ImageStep("cart:v2", "cart:v1")},
                .reason = "why",
                .rule = "r",
                .service = "cart",
                .cause = "bad release",
                .confidence = 0.5};
  const auto read = ActionFromJson(Json::parse(ToJson(action).dump()));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, action);
  const auto twice = InverseOf(*InverseOf(action));
  EXPECT_EQ(twice->steps, action.steps);
  action.kind = ActionKind::kRestart;
  EXPECT_EQ(InverseOf(action), std::nullopt);
}

class PlannerTest : public ActuatorTest {
 protected:
  PlanAnswer Plan() {
    const auto plan = Planner(policy, api, nullptr).Plan(question);
    EXPECT_TRUE(plan) << plan.error().message();
    return *plan;
  }
  static std::int64_t Now(const base::Clock& clock) {
    return clock.WallNow().time_since_epoch().count();
  }
  Policy policy = TestPolicy();
  PlanQuestion question{.incident = "inc-1",
                        .digest = {.changes = {{.time_ns = Now(time),
                                                .service = "cart",
                                                .kind = incident::ChangeKind::kRollout}}},
                        .diagnosis = {.ranking = {{.service = "cart",
                                                   .kind = rca::CauseKind::kBadRelease,
                                                   .confidence = 0.8}}},
                        .opened_ns = Now(time),
                        .now_ns = Now(time)};
};

TEST_F(PlannerTest, TheFormerRevisionFirst) {
  const PlanAnswer plan = Plan();
  ASSERT_EQ(plan.candidates.size(), 2u);
  EXPECT_EQ(plan.candidates[0].kind, ActionKind::kRollbackRevision);
  EXPECT_EQ(plan.candidates[0].id, "inc-1-a1");
  EXPECT_EQ(plan.candidates[0].rule, "released");
  EXPECT_EQ(plan.candidates[1].kind, ActionKind::kRestart);
  ASSERT_TRUE(RunStep(api, plan.candidates[0].steps[0], marks));
  EXPECT_EQ(ImageOf(api, "cart"), "cart:v1");
  EXPECT_FALSE(
      Cart()->json()["spec"]["template"]["metadata"]["labels"].contains("pod-template-hash"));
}

TEST_F(PlannerTest, WithoutAChangeAnotherRuleDecides) {
  question.digest.changes.clear();
  const PlanAnswer plan = Plan();
  ASSERT_FALSE(plan.candidates.empty());
  EXPECT_EQ(plan.candidates[0].rule, "rest");
}

TEST_F(PlannerTest, TheAgentsOwnChangeIsNoSuspect) {
  question.digest.changes[0].who = "agent";
  EXPECT_EQ(Plan().candidates[0].rule, "rest");
}

TEST_F(PlannerTest, WhatWasTriedIsNotTriedAgain) {
  question.tried.insert(Plan().candidates[0].Signature());
  EXPECT_EQ(Plan().candidates[0].kind, ActionKind::kRestart);
}

TEST_F(PlannerTest, WhatFailedInALikeIncidentComesLater) {
  question.past = {{.similarity = 0.95, .service = "cart", .action = "rollback_revision"}};
  EXPECT_EQ(Plan().candidates[0].kind, ActionKind::kRestart);
  EXPECT_EQ(Plan().candidates[1].kind, ActionKind::kRollbackRevision);
}

TEST_F(PlannerTest, AnOldRevisionIsNoSuspect) {
  time.RunFor(std::chrono::hours(2));
  question.opened_ns = question.now_ns = Now(time);
  question.digest.changes[0].time_ns = Now(time);
  const PlanAnswer plan = Plan();
  EXPECT_EQ(plan.candidates[0].kind, ActionKind::kRestart);
  EXPECT_THAT(plan.not_planned[0], HasSubstr("too long"));
}

TEST_F(PlannerTest, ARevisionThatOnlyStartedAnewIsNotGoneBackTo) {
  const auto sets = api.List(kube::kReplicaSet, {.ns = "shop"});
  ASSERT_TRUE(sets);
  ASSERT_FALSE(sets->items.empty());
  Json set = sets->items[0]->json();
  Json cart = Cart()->json();
  set["spec"]["template"]["spec"] = cart["spec"]["template"]["spec"];
  ASSERT_TRUE(api.Update(kube::kReplicaSet, set));
  cart["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now";
  ASSERT_TRUE(api.Update(kube::kDeployment, cart));
  const PlanAnswer plan = Plan();
  EXPECT_EQ(plan.candidates[0].kind, ActionKind::kRestart);
  EXPECT_THAT(plan.not_planned[0], HasSubstr("no former revision"));
}

// v1, v2, and v1 again, whoever went back: what breaks next is not cured by v2.
TEST_F(PlannerTest, WhatWasGoneBackFromIsNotGoneBackTo) {
  const std::string path = testing::TempDir() + "/planner-history.db";
  std::filesystem::remove(path);
  const auto history = ObjectHistory::Open(path, time);
  ASSERT_TRUE(history) << history.error().message();
  const auto see = [&](const std::string& image) {
    Json object = Cart()->json();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = image;
    ASSERT_TRUE((*history)->See(kube::kDeployment, nullptr, kube::Object(std::move(object))));
    time.RunFor(std::chrono::minutes(1));
  };
  const std::int64_t begin = Now(time);
  const auto changes = [&] { return (*history)->Changes(begin, Now(time) + 1)->size(); };
  // The former revision of the cluster's model is v1, the present one v2.
  see("cart:v2");
  see("cart:v1");
  EXPECT_EQ(changes(), 1u);
  see("cart:v2");
  EXPECT_EQ(changes(), 0u) << "there and back is no change";
  question.opened_ns = question.now_ns = question.digest.changes[0].time_ns = Now(time);
  const auto plan = Planner(policy, api, history->get()).Plan(question);
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_FALSE(plan->candidates.empty());
  EXPECT_EQ(plan->candidates[0].kind, ActionKind::kRestart);
  EXPECT_THAT(plan->not_planned[0], HasSubstr("taken back"));
  see("cart:v3");
  EXPECT_EQ(changes(), 1u);
}

// v1, v2, v1 and v2 again: a bad release that comes a second time.
TEST_F(PlannerTest, AReleaseThatComesAgainIsGoneBackFromAgain) {
  const std::string path = testing::TempDir() + "/planner-again.db";
  std::filesystem::remove(path);
  const auto history = ObjectHistory::Open(path, time);
  ASSERT_TRUE(history) << history.error().message();
  for (const char* image : {"cart:v1", "cart:v2", "cart:v1", "cart:v2"}) {
    Json object = Cart()->json();
    object["spec"]["template"]["spec"]["containers"][0]["image"] = image;
    ASSERT_TRUE((*history)->See(kube::kDeployment, nullptr, kube::Object(std::move(object))));
    time.RunFor(std::chrono::minutes(1));
  }
  question.opened_ns = question.now_ns = question.digest.changes[0].time_ns = Now(time);
  const auto plan = Planner(policy, api, history->get()).Plan(question);
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_FALSE(plan->candidates.empty());
  EXPECT_EQ(plan->candidates[0].kind, ActionKind::kRollbackRevision);
}

TEST_F(PlannerTest, AConfigurationThatWasGoneBackFromIsNotGoneBackTo) {
  const std::string path = testing::TempDir() + "/planner-configuration.db";
  std::filesystem::remove(path);
  const auto history = ObjectHistory::Open(path, time);
  ASSERT_TRUE(history) << history.error().message();
  Json cart = Cart()->json();
  cart["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
      Json::array({{{"configMapRef", {{"name", "settings"}}}}});
  ASSERT_TRUE(api.Update(kube::kDeployment, cart));
  const auto made = api.Create(kube::kConfigMap, "shop",
                               {{"metadata", {{"name", "settings"}}}, {"data", {{"depth", "1"}}}});
  ASSERT_TRUE(made);
  const auto remedies = [&](std::initializer_list<const char*> values) {
    for (const char* value : values) {
      Json map = (*api.Get(kube::kConfigMap, "shop", "settings"))->json();
      map["data"]["depth"] = value;
      const auto written = api.Update(kube::kConfigMap, map);
      EXPECT_TRUE(written);
      EXPECT_TRUE((*history)->See(kube::kConfigMap, nullptr, **written));
      time.RunFor(std::chrono::seconds(10));
    }
    return Remedies({.api = api,
                     .history = history->get(),
                     .deployment = Cart(),
                     .attempt = {.kind = ActionKind::kRollbackConfig},
                     .within = std::chrono::minutes(30),
                     .opened_ns = Now(time),
                     .now_ns = Now(time)});
  };
  const auto broken = remedies({"1", "2"});
  ASSERT_TRUE(broken) << broken.error().message();
  EXPECT_EQ(broken->size(), 1u);
  EXPECT_FALSE(remedies({"1"})) << "2 was gone back from";
  EXPECT_TRUE(remedies({"2"})) << "and is there again";
}

TEST_F(PlannerTest, WhatAPersonChangesAfterAnActionIsNotTheAgents) {
  const std::string path = testing::TempDir() + "/planner-authors.db";
  std::filesystem::remove(path);
  const auto history = ObjectHistory::Open(path, time);
  ASSERT_TRUE(history) << history.error().message();
  std::unique_ptr<kube::Object> before;
  const auto see = [&](const std::string& image, const std::string& action) {
    Json json = Cart()->json();
    json["spec"]["template"]["spec"]["containers"][0]["image"] = image;
    if (!action.empty()) json["metadata"]["annotations"][kActionIdAnnotation] = action;
    auto object = std::make_unique<kube::Object>(std::move(json));
    ASSERT_TRUE((*history)->See(kube::kDeployment, before.get(), *object));
    before = std::move(object);
    time.RunFor(std::chrono::seconds(1));
  };
  see("cart:v1", "");
  see("cart:v2", "");
  see("cart:v3", "inc-1-a1");
  see("cart:v4", "inc-1-a1");
  see("cart:v5", "inc-2-a1");
  std::vector<std::string> authors;
  for (const Version& version : *(*history)->Of("deployments.apps", "shop", "cart"))
    authors.push_back(version.who);
  EXPECT_THAT(authors, testing::ElementsAre("", "", "agent", "", "agent"));
}

TEST_F(PlannerTest, AServiceOutsideIsLeftToPeople) {
  question.diagnosis.ranking[0].service = "moon";
  const PlanAnswer plan = Plan();
  EXPECT_TRUE(plan.candidates.empty());
  EXPECT_THAT(plan.not_planned[0], HasSubstr("moon"));
}

}  // namespace
}  // namespace enclave::agent
