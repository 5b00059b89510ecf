#include "kube/reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"

namespace enclave::kube {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

class ReconcilerTest : public ::testing::Test {
 protected:
  Reconciler::Outcome Reconcile(const ObjectName& key) {
    turns_.push_back(key.name);
    times_.push_back(executor_.Now());
    return outcome_ ? outcome_(key) : Reconciler::Outcome{std::nullopt};
  }
  Reconciler Make() {
    return Reconciler(informers_, {.name = "test"},
                      [this](const ObjectName& key) { return Reconcile(key); });
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  FakeApi api_{executor_, random_};
  SharedInformers informers_{api_, executor_, random_};
  std::function<Reconciler::Outcome(const ObjectName&)> outcome_;
  std::vector<std::string> turns_;
  std::vector<base::MonoTime> times_;
};

TEST_F(ReconcilerTest, KeysAreDoneOnceAndInOrder) {
  Reconciler reconciler = Make();
  for (const char* name : {"a", "b", "a", "c", "b"}) reconciler.Enqueue({"d", name});
  EXPECT_TRUE(turns_.empty()) << "never within Enqueue";
  executor_.RunFor(seconds(1));
  EXPECT_THAT(turns_, ElementsAre("a", "b", "c"));
}

TEST_F(ReconcilerTest, AKeyEnqueuedInItsOwnTurnComesAgain) {
  Reconciler reconciler = Make();
  outcome_ = [&](const ObjectName& key) {
    if (turns_.size() == 1) reconciler.Enqueue(key);
    return std::nullopt;
  };
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(seconds(1));
  EXPECT_THAT(turns_, ElementsAre("a", "a"));
}

TEST_F(ReconcilerTest, WaitsUntilAllInformersAreSynced) {
  bool away = true;
  api_.SetFault([&](const FakeApi::Call&) -> std::optional<Error> {
    if (away) return Error(ErrorKind::kUnavailable, "away");
    return std::nullopt;
  });
  Reconciler reconciler = Make();
  informers_.For(kPod);
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(seconds(60));
  EXPECT_TRUE(turns_.empty());
  away = false;
  executor_.RunFor(seconds(60));
  EXPECT_THAT(turns_, ElementsAre("a"));
}

TEST_F(ReconcilerTest, FailuresBackOffAndSuccessResets) {
  Reconciler reconciler = Make();
  bool fails = true;
  outcome_ = [&](const ObjectName&) -> Reconciler::Outcome {
    if (fails) return base::Fail(ErrorKind::kUnavailable, "not now");
    return std::nullopt;
  };
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(std::chrono::minutes(10));
  ASSERT_GT(times_.size(), 15u);
  EXPECT_LT(times_.size(), 40u);
  EXPECT_LE(times_[1] - times_[0], milliseconds(6));
  EXPECT_GE(times_.back() - times_[times_.size() - 2], seconds(50));
  fails = false;
  executor_.RunFor(std::chrono::minutes(2));
  const std::size_t done = turns_.size();
  executor_.RunFor(std::chrono::minutes(10));
  EXPECT_THAT(turns_, SizeIs(done));
  fails = true;
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(milliseconds(7));
  EXPECT_THAT(turns_, SizeIs(done + 2)) << "starts at the base delay again";
}

TEST_F(ReconcilerTest, ConflictsRepeatAtOnceButNotForEver) {
  Reconciler reconciler = Make();
  outcome_ = [&](const ObjectName&) -> Reconciler::Outcome {
    return base::Fail(ErrorKind::kConflict, "lost a race");
  };
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(base::Duration::zero());
  EXPECT_THAT(turns_, SizeIs(4));
  executor_.RunFor(seconds(10));
  EXPECT_LT(turns_.size(), 30u);
}

TEST_F(ReconcilerTest, OutcomesAskForTheirTime) {
  Reconciler reconciler = Make();
  outcome_ = [&](const ObjectName&) -> Reconciler::Outcome {
    if (turns_.size() < 3) return seconds(10);
    return std::nullopt;
  };
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(seconds(5));
  EXPECT_THAT(turns_, SizeIs(1));
  reconciler.Enqueue({"d", "a"});  // an event: the wait starts anew
  executor_.RunFor(seconds(9));
  EXPECT_THAT(turns_, SizeIs(2));
  executor_.RunFor(seconds(60));
  EXPECT_THAT(turns_, SizeIs(3));
}

TEST_F(ReconcilerTest, EnqueueAfterKeepsTheEarlierTime) {
  Reconciler reconciler = Make();
  reconciler.EnqueueAfter({"d", "a"}, seconds(10));
  reconciler.EnqueueAfter({"d", "a"}, seconds(20));
  reconciler.EnqueueAfter({"d", "b"}, seconds(20));
  reconciler.EnqueueAfter({"d", "b"}, seconds(5));
  reconciler.Enqueue({"d", "a"});
  executor_.RunFor(seconds(60));
  EXPECT_THAT(turns_, ElementsAre("a", "b", "a"));
}

TEST_F(ReconcilerTest, EventsEnqueueObjectsAndOwners) {
  Reconciler reconciler = Make();
  reconciler.EnqueueChangesOf(informers_.For(kReplicaSet));
  reconciler.EnqueueOwnersOf(informers_.For(kPod), kReplicaSet);
  executor_.RunFor(seconds(1));
  ASSERT_TRUE(api_.Create(kReplicaSet, "d", {{"metadata", {{"name", "rs"}}}}));
  const auto pod = [](const char* name, const char* owner, const char* version, bool controller) {
    return Json{{"metadata",
                 {{"name", name},
                  {"ownerReferences", Json::array({{{"kind", "ReplicaSet"},
                                                    {"apiVersion", version},
                                                    {"name", owner},
                                                    {"uid", "u"},
                                                    {"controller", controller}}})}}}};
  };
  ASSERT_TRUE(api_.Create(kPod, "d", pod("p1", "owner", "apps/v1", true)));
  ASSERT_TRUE(api_.Create(kPod, "d", pod("p2", "not-controlling", "apps/v1", false)));
  ASSERT_TRUE(api_.Create(kPod, "d", pod("p3", "other-group", "other/v1", true)));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(turns_, ElementsAre("rs", "owner"));
  ASSERT_TRUE(api_.Delete(kPod, "d", "p1", {}));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(turns_, ElementsAre("rs", "owner", "owner"));
}

TEST_F(ReconcilerTest, NothingRunsAfterItsEnd) {
  {
    Reconciler reconciler = Make();
    reconciler.EnqueueChangesOf(informers_.For(kPod));
    reconciler.Enqueue({"d", "a"});
    reconciler.EnqueueAfter({"d", "b"}, seconds(1));
  }
  ASSERT_TRUE(api_.Create(kPod, "d", {{"metadata", {{"name", "p"}}}}));
  executor_.RunFor(seconds(10));
  EXPECT_TRUE(turns_.empty());
}

class EventRecorderTest : public ReconcilerTest {
 protected:
  std::vector<ObjectPtr> Events() { return api_.List(kEvent, {})->items; }
  ObjectPtr pod_ = *api_.Create(kPod, "d", {{"metadata", {{"name", "web"}}}});
  EventRecorder recorder_{informers_, "kubelet"};
};

TEST_F(EventRecorderTest, WritesWhatKubectlShows) {
  recorder_.Record(*pod_, "Warning", "BackOff", "restarting", "spec.containers{c1}");
  EXPECT_THAT(Events(), SizeIs(0)) << "written in a task of its own";
  executor_.RunFor(seconds(1));
  ASSERT_THAT(Events(), SizeIs(1));
  const Json& event = Events()[0]->json();
  EXPECT_THAT(StringAt(event, "metadata.name"), MatchesRegex("web\\.[0-9a-f]{16}"));
  EXPECT_EQ(StringAt(event, "metadata.namespace"), "d");
  EXPECT_EQ(At(event, "involvedObject"), (Json{{"kind", "Pod"},
                                               {"apiVersion", "v1"},
                                               {"name", "web"},
                                               {"namespace", "d"},
                                               {"uid", pod_->uid()},
                                               {"resourceVersion", "1"},
                                               {"fieldPath", "spec.containers{c1}"}}));
  EXPECT_EQ(IntAt(event, "count"), 1);
  EXPECT_EQ(StringAt(event, "source.component"), "kubelet");
  EXPECT_EQ(StringAt(event, "reportingComponent"), "kubelet");
  EXPECT_EQ(StringAt(event, "type"), "Warning");
  EXPECT_EQ(StringAt(event, "firstTimestamp"), StringAt(event, "lastTimestamp"));
}

TEST_F(EventRecorderTest, RepeatsCount) {
  for (int i = 0; i < 3; ++i) {
    recorder_.Record(*pod_, "Warning", "BackOff", "restarting");
    executor_.RunFor(seconds(10));
  }
  recorder_.Record(*pod_, "Warning", "BackOff", "another message");
  executor_.RunFor(seconds(1));
  ASSERT_THAT(Events(), SizeIs(2));
  const Json* first = nullptr;
  const auto events = Events();
  for (const ObjectPtr& event : events) {
    if (StringAt(event->json(), "message") == "restarting") first = &event->json();
  }
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(IntAt(*first, "count"), 3);
  EXPECT_LT(StringAt(*first, "firstTimestamp"), StringAt(*first, "lastTimestamp"));
}

TEST_F(EventRecorderTest, AnExpiredSeriesBeginsAgain) {
  recorder_.Record(*pod_, "Normal", "Started", "x");
  executor_.RunFor(seconds(1));
  ASSERT_TRUE(api_.Delete(kEvent, "d", Events()[0]->name(), {}));
  recorder_.Record(*pod_, "Normal", "Started", "x");
  executor_.RunFor(seconds(1));
  ASSERT_THAT(Events(), SizeIs(1));
  EXPECT_EQ(IntAt(Events()[0]->json(), "count"), 2);
}

TEST_F(EventRecorderTest, ClusterScopedObjectsGoToDefault) {
  const auto node = api_.Create(kNode, "", {{"metadata", {{"name", "n1"}}}});
  recorder_.Record(**node, "Normal", "NodeReady", std::string(2000, 'x'));
  executor_.RunFor(seconds(1));
  EXPECT_EQ(Events()[0]->ns(), "default");
  EXPECT_LE(StringAt(Events()[0]->json(), "message").size(), 1024u);
}

TEST_F(EventRecorderTest, FailedWritesAreTriedAFewTimes) {
  int failures = 2;
  api_.SetFault([&](const FakeApi::Call& call) -> std::optional<Error> {
    if (call.resource == "events" && failures-- > 0) {
      return Error(ErrorKind::kUnavailable, "away");
    }
    return std::nullopt;
  });
  recorder_.Record(*pod_, "Normal", "A", "");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Events(), SizeIs(1));
  failures = 1000;
  recorder_.Record(*pod_, "Normal", "B", "");
  executor_.RunFor(std::chrono::minutes(10));
  EXPECT_EQ(failures, 997);
}

TEST_F(EventRecorderTest, ALostAnswerMakesNoSecondEvent) {
  bool lose = true;
  api_.SetFault([&](const FakeApi::Call& call) -> std::optional<Error> {
    if (call.done && std::exchange(lose, false)) return Error(ErrorKind::kUnavailable, "lost");
    return std::nullopt;
  });
  recorder_.Record(*pod_, "Normal", "A", "");
  executor_.RunFor(seconds(10));
  EXPECT_THAT(Events(), SizeIs(1));
  recorder_.Record(*pod_, "Normal", "A", "");
  executor_.RunFor(seconds(10));
  ASSERT_THAT(Events(), SizeIs(1));
  EXPECT_EQ(IntAt(Events()[0]->json(), "count"), 2);
}

TEST_F(EventRecorderTest, MemoryIsBounded) {
  for (int i = 0; i < 5'000; ++i) recorder_.Record(*pod_, "Normal", "A", std::to_string(i));
  executor_.RunFor(seconds(10));
  EXPECT_LE(Events().size(), 4096u);
}

}  // namespace
}  // namespace enclave::kube
