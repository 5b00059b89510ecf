#include "kube/informer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"
#include "kube/object_cache.h"

namespace enclave::kube {
namespace {

using base::Error;
using base::ErrorKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ObjectPtr Made(const std::string& name, int revision, const std::string& uid = "u",
               Json extra = Json::object()) {
  Json json = {{"metadata",
                {{"name", name},
                 {"namespace", "d"},
                 {"uid", uid},
                 {"resourceVersion", std::to_string(revision)}}}};
  json["metadata"].update(extra);
  return std::make_shared<const Object>(std::move(json));
}

TEST(ObjectCache, NeverGoesBackInTime) {
  ObjectCache cache;
  EXPECT_EQ(cache.Put(Made("a", 5)).size(), 1u);
  EXPECT_THAT(cache.Put(Made("a", 5)), IsEmpty());
  EXPECT_THAT(cache.Put(Made("a", 4)), IsEmpty());
  EXPECT_THAT(cache.Remove(*Made("a", 3), Revision{4}), IsEmpty());
  EXPECT_EQ(cache.Get("d", "a")->revision(), Revision{5});
  EXPECT_EQ(cache.Remove(*Made("a", 5), Revision{7}).size(), 1u);
  EXPECT_THAT(cache.Put(Made("a", 6)), IsEmpty()) << "older than its deletion";
  EXPECT_EQ(cache.Get("d", "a"), nullptr);
  EXPECT_EQ(cache.Put(Made("a", 8)).size(), 1u);
}

TEST(ObjectCache, ADeletionMayComeBeforeItsObject) {
  ObjectCache cache;
  EXPECT_THAT(cache.Remove(*Made("a", 5), Revision{5}), IsEmpty());
  EXPECT_THAT(cache.Put(Made("a", 4)), IsEmpty());
}

TEST(ObjectCache, AnotherUidIsAnotherObject) {
  ObjectCache cache;
  cache.Put(Made("a", 1, "one"));
  const auto changes = cache.Put(Made("a", 3, "two"));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].after, nullptr);
  EXPECT_EQ(changes[1].before, nullptr);
}

TEST(ObjectCache, ReplaceKeepsWhatIsNewer) {
  ObjectCache cache;
  cache.Put(Made("old", 1));
  cache.Put(Made("mine", 9));
  cache.Put(Made("both", 9));
  const auto changes = cache.Replace({{Made("both", 2), Made("new", 3)}, Revision{5}});
  EXPECT_EQ(changes.size(), 2u);
  EXPECT_EQ(cache.Get("d", "old"), nullptr);
  EXPECT_NE(cache.Get("d", "mine"), nullptr);
  EXPECT_EQ(cache.Get("d", "both")->revision(), Revision{9});
  EXPECT_NE(cache.Get("d", "new"), nullptr);
}

TEST(ObjectCache, IndexesByOwner) {
  const auto owned = [](const char* uid) {
    return Json{{"ownerReferences", Json::array({{{"uid", uid}}, {{"uid", "both"}}, 7})}};
  };
  ObjectCache cache;
  cache.Put(Made("a", 1, "u", owned("x")));
  cache.Put(Made("b", 2, "v", owned("y")));
  EXPECT_EQ(cache.OwnedBy("x").size(), 1u);
  EXPECT_EQ(cache.OwnedBy("both").size(), 2u);
  cache.Put(Made("a", 3, "u", owned("y")));
  EXPECT_THAT(cache.OwnedBy("x"), IsEmpty());
  EXPECT_EQ(cache.OwnedBy("y").size(), 2u);
  cache.Remove(*Made("b", 2, "v"), Revision{4});
  EXPECT_EQ(cache.OwnedBy("both").size(), 1u);
}

TEST(ObjectCache, ForgetsOldTombstones) {
  ObjectCache cache;
  for (int i = 0; i < 20'001; ++i) cache.Remove(*Made("n" + std::to_string(i), i), Revision(i));
  EXPECT_EQ(cache.Put(Made("n1", 0)).size(), 1u);
  EXPECT_THAT(cache.Put(Made("n20000", 1)), IsEmpty());
}

class InformerTest : public ::testing::Test {
 protected:
  Json NewPod(const std::string& name, Json labels = Json::object()) {
    return {{"metadata", {{"name", name}, {"labels", std::move(labels)}}}, {"spec", {{"x", 0}}}};
  }
  // "+a" added, "~a" modified, "-a" removed.
  void Log(Informer& informer) {
    informer.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) {
      log_.push_back((before == nullptr  ? "+"
                      : after == nullptr ? "-"
                                         : "~") +
                     (after != nullptr ? after : before)->name());
    });
  }
  std::vector<std::string> TakeLog() { return std::exchange(log_, {}); }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  FakeApi api_{executor_, random_};
  SharedInformers informers_{api_, executor_, random_};
  std::vector<std::string> log_;
};

TEST_F(InformerTest, FollowsTheServer) {
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("a")));
  Informer& pods = informers_.For(kPod);
  Log(pods);
  EXPECT_FALSE(pods.synced());
  executor_.RunFor(seconds(1));
  EXPECT_TRUE(informers_.AllSynced());
  ASSERT_TRUE(api_.Create(kPod, "e", NewPod("b")));
  ASSERT_TRUE(api_.Patch(kPod, "d", "a", PatchType::kMerge, {{"spec", {{"x", 1}}}}));
  ASSERT_TRUE(api_.Delete(kPod, "e", "b", {}));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(TakeLog(), ElementsAre("+a", "+b", "~a", "-b"));
  EXPECT_EQ(pods.List().size(), 1u);
  EXPECT_EQ(pods.List("d").size(), 1u);
  EXPECT_THAT(pods.List("e"), IsEmpty());
  EXPECT_EQ(&informers_.For(kPod), &pods) << "one cache per kind and filter";
}

TEST_F(InformerTest, LateHandlersGetWhatIsThere) {
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("a")));
  Informer& pods = informers_.For(kPod);
  executor_.RunFor(seconds(1));
  Log(pods);
  EXPECT_THAT(TakeLog(), ElementsAre("+a"));
}

TEST_F(InformerTest, WritesAreCachedBeforeTheyReturn) {
  api_.SetWatchDelay(seconds(10));
  Informer& pods = informers_.For(kPod);
  Log(pods);
  executor_.RunFor(seconds(1));
  const auto created = informers_.api().Create(kPod, "d", NewPod("a"));
  ASSERT_TRUE(created);
  ASSERT_NE(pods.Get("d", "a"), nullptr);
  Json changed = (*created)->json();
  changed["spec"]["x"] = 2;
  ASSERT_TRUE(informers_.api().Update(kPod, changed, ""));
  EXPECT_EQ(IntAt(pods.Get("d", "a")->json(), "spec.x"), 2);
  EXPECT_THAT(TakeLog(), ElementsAre("+a", "~a"));
  executor_.RunFor(seconds(60));
  EXPECT_THAT(TakeLog(), IsEmpty()) << "the watch had nothing new to tell";
  ASSERT_TRUE(informers_.api().Delete(kPod, "d", "a", {}));
  executor_.RunFor(seconds(60));
  EXPECT_THAT(log_.back(), "-a");
}

TEST_F(InformerTest, LateEventsOfADeadObjectAreIgnored) {
  api_.SetWatchDelay(seconds(10));
  Informer& pods = informers_.For(kPod);
  Log(pods);
  executor_.RunFor(seconds(1));
  ASSERT_TRUE(informers_.api().Create(kPod, "d", NewPod("a")));
  ASSERT_TRUE(informers_.api().Delete(kPod, "d", "a", {}));
  executor_.RunFor(seconds(60));
  ASSERT_TRUE(informers_.api().Create(kPod, "d", NewPod("a")));
  executor_.RunFor(seconds(60));
  EXPECT_EQ(std::ranges::count(log_, "+a"), 2);
  EXPECT_EQ(std::ranges::count(log_, "-a"), 1);
}

TEST_F(InformerTest, ConflictBringsThePresentState) {
  Informer& pods = informers_.For(kPod);
  executor_.RunFor(seconds(1));
  const auto created = api_.Create(kPod, "d", NewPod("a"));
  ASSERT_TRUE(api_.Patch(kPod, "d", "a", PatchType::kMerge, {{"spec", {{"x", 5}}}}));
  const auto updated = informers_.api().Update(kPod, (*created)->json(), "");
  ASSERT_FALSE(updated);
  EXPECT_EQ(updated.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(IntAt(pods.Get("d", "a")->json(), "spec.x"), 5);
}

TEST_F(InformerTest, Filters) {
  Informer& web = informers_.For(kPod, {.ns = "d", .labels = *LabelSelector::Parse("app=web")});
  Log(web);
  executor_.RunFor(seconds(1));
  ASSERT_TRUE(informers_.api().Create(kPod, "d", NewPod("a", {{"app", "web"}})));
  ASSERT_TRUE(informers_.api().Create(kPod, "d", NewPod("b", {{"app", "db"}})));
  ASSERT_TRUE(informers_.api().Create(kPod, "e", NewPod("c", {{"app", "web"}})));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(TakeLog(), ElementsAre("+a"));
  ASSERT_TRUE(informers_.api().Patch(kPod, "d", "a", PatchType::kMerge,
                                     {{"metadata", {{"labels", {{"app", "db"}}}}}}, ""));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(TakeLog(), ElementsAre("-a"));
  ASSERT_TRUE(api_.Patch(kPod, "d", "a", PatchType::kMerge,
                         {{"metadata", {{"labels", {{"app", "web"}}}}}}));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(TakeLog(), ElementsAre("+a"));
}

TEST_F(InformerTest, GoesOnAfterABrokenWatch) {
  Informer& pods = informers_.For(kPod);
  Log(pods);
  executor_.RunFor(seconds(1));
  api_.BreakWatches(Error(ErrorKind::kUnavailable, "cable"));
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("a")));
  executor_.RunFor(seconds(40));
  EXPECT_THAT(TakeLog(), ElementsAre("+a"));
  EXPECT_EQ(std::ranges::count(api_.calls(), "list", &FakeApi::Call::verb), 1);
  EXPECT_EQ(api_.watches(), 1u);
}

TEST_F(InformerTest, ListsAgainWhenTheHistoryIsGone) {
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("dies")));
  Informer& pods = informers_.For(kPod);
  Log(pods);
  executor_.RunFor(seconds(1));
  api_.BreakWatches(Error(ErrorKind::kUnavailable, "cable"));
  ASSERT_TRUE(api_.Delete(kPod, "d", "dies", {}));
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("lives")));
  api_.ForgetHistory();
  executor_.RunFor(seconds(40));
  EXPECT_THAT(TakeLog(), ElementsAre("+dies", "-dies", "+lives"));
  EXPECT_EQ(pods.List().size(), 1u);
}

TEST_F(InformerTest, AnExpiredEventListsAgainToo) {
  informers_.For(kPod);
  executor_.RunFor(seconds(1));
  api_.BreakWatches(Error(ErrorKind::kExpired, "too old"));
  executor_.RunFor(seconds(1));
  EXPECT_EQ(std::ranges::count(api_.calls(), "list", &FakeApi::Call::verb), 2);
  EXPECT_EQ(api_.watches(), 1u);
}

TEST_F(InformerTest, BacksOffWhileTheServerIsAway) {
  bool away = true;
  api_.SetFault([&](const FakeApi::Call&) -> std::optional<Error> {
    if (away) return Error(ErrorKind::kUnavailable, "away");
    return std::nullopt;
  });
  Informer& pods = informers_.For(kPod);
  executor_.RunFor(std::chrono::minutes(10));
  const std::size_t tries = api_.calls().size();
  EXPECT_GT(tries, 10u);
  EXPECT_LT(tries, 60u);
  away = false;
  executor_.RunFor(seconds(46));
  EXPECT_TRUE(pods.synced());
}

TEST_F(InformerTest, HandlersKeepTheirState) {
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("a")));
  Informer& pods = informers_.For(kPod);
  executor_.RunFor(seconds(1));
  int told = 0;
  pods.OnChange([&told, once = true](const ObjectPtr&, const ObjectPtr&) mutable {
    if (std::exchange(once, false)) ++told;
  });
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("b")));
  ASSERT_TRUE(api_.Delete(kPod, "d", "b", {}));
  executor_.RunFor(seconds(1));
  EXPECT_EQ(told, 1);
}

TEST_F(InformerTest, HandlersThatWriteSeeChangesInOrder) {
  Informer& pods = informers_.For(kPod);
  executor_.RunFor(seconds(1));
  pods.OnChange([&](const ObjectPtr& before, const ObjectPtr& after) {
    if (before == nullptr && after->name() == "a") {
      ASSERT_TRUE(informers_.api().Create(kPod, "d", NewPod("b")));
    }
  });
  Log(pods);
  ASSERT_TRUE(api_.Create(kPod, "d", NewPod("a")));
  executor_.RunFor(seconds(1));
  EXPECT_THAT(TakeLog(), ElementsAre("+a", "+b"));
}

TEST_F(InformerTest, TellsWhenAllAreSynced) {
  int told = 0;
  informers_.OnAllSynced([&] { ++told; });
  informers_.For(kPod);
  informers_.For(kNode);
  executor_.RunFor(seconds(1));
  EXPECT_EQ(told, 1);
  informers_.For(kService);
  EXPECT_FALSE(informers_.AllSynced());
  executor_.RunFor(seconds(1));
  EXPECT_EQ(told, 2);
}

// Random faults on every call and on the watches: the cache ends as the server is, and no handler
// ever saw an object twice added or a removal of nothing.
TEST_F(InformerTest, ConvergesUnderFaults) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    base::SimulatedExecutor executor;
    base::SeededRandom random(seed);
    FakeApi server(executor, random);
    bool faulty = true;
    server.SetFault([&](const FakeApi::Call&) -> std::optional<Error> {
      if (faulty && random.Below(5) == 0) return Error(ErrorKind::kUnavailable, "chance");
      return std::nullopt;
    });
    SharedInformers informers(server, executor, random);
    Informer& pods = informers.For(kPod);
    std::map<std::string, ObjectPtr> mirror;
    pods.OnChange([&](const ObjectPtr& before, const ObjectPtr& after) {
      const std::string name = (after != nullptr ? after : before)->name();
      ASSERT_EQ(mirror.contains(name), before != nullptr) << name;
      if (after == nullptr) {
        mirror.erase(name);
      } else {
        ASSERT_TRUE(before == nullptr || before->revision() < after->revision());
        mirror[name] = after;
      }
    });
    for (int step = 0; step < 500; ++step) {
      const std::string name = "p" + std::to_string(random.Below(8));
      Api& writer = random.Below(2) == 0 ? informers.api() : static_cast<Api&>(server);
      switch (random.Below(6)) {
        case 0:
        case 1:
          (void)writer.Create(kPod, "d", NewPod(name));
          break;
        case 2:
          (void)writer.Patch(kPod, "d", name, PatchType::kMerge, {{"spec", {{"x", step}}}}, "");
          break;
        case 3:
          (void)writer.Delete(kPod, "d", name, {});
          break;
        case 4:
          if (random.Below(4) == 0) server.BreakWatches(Error(ErrorKind::kUnavailable, "cable"));
          if (random.Below(8) == 0) server.ForgetHistory();
          server.SetWatchDelay(milliseconds(static_cast<int>(random.Below(3)) * 50));
          break;
        default:
          executor.RunFor(milliseconds(static_cast<int>(random.Below(500))));
      }
    }
    faulty = false;
    executor.RunFor(std::chrono::minutes(2));
    const auto list = server.List(kPod, {});
    ASSERT_TRUE(list);
    ASSERT_EQ(mirror.size(), list->items.size()) << "seed " << seed;
    for (const ObjectPtr& pod : list->items) {
      ASSERT_EQ(mirror[pod->name()]->text(), pod->text()) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace enclave::kube
