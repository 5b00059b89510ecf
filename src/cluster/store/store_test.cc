// The contract of store.h, held against every store.
#include "cluster/store/store.h"

#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/store/test_support.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::EventType;
using kube::ObjectPtr;
using kube::Revision;
using ::testing::ElementsAre;
using testing::KeepIt;
using testing::NOf;
using testing::PodKey;
using testing::PutAndWait;
using testing::RemoveIt;
using testing::Settle;

class InMemory {
 public:
  std::unique_ptr<Store> Make(HistoryLimits limits) {
    return std::make_unique<MemoryStore>(MemoryStore::Options{.history = limits});
  }
};

class OnDisk {
 public:
  std::unique_ptr<Store> Make(HistoryLimits limits) {
    return std::move(*SqliteStore::Open(directory_.File("store.db"), {.history = limits}));
  }

 private:
  testing::TempDir directory_;
};

template <typename Maker>
class StoreContract : public ::testing::Test {
 protected:
  void Reset(HistoryLimits limits) {
    store_.reset();
    maker_.emplace();
    store_ = maker_->Make(limits);
  }
  Store& store() {
    if (store_ == nullptr) Reset({});
    return *store_;
  }

 private:
  std::optional<Maker> maker_;
  std::unique_ptr<Store> store_;
};

using Makers = ::testing::Types<InMemory, OnDisk>;
TYPED_TEST_SUITE(StoreContract, Makers);

std::vector<std::string> NamesOf(const kube::ObjectList& list) {
  std::vector<std::string> names;
  for (const ObjectPtr& object : list.items) names.push_back(object->name());
  return names;
}

// A watcher that writes down what it saw: "+a=1", "~a=2", "-a=2".
struct Seen {
  std::vector<std::string> events;
  std::vector<Revision> revisions;
  ChangeSink Sink() {
    return [this](const Change& change) {
      const char* sign = change.type == EventType::kAdded     ? "+"
                         : change.type == EventType::kDeleted ? "-"
                                                              : "~";
      events.push_back(sign + change.object->name() + "=" + std::to_string(NOf(change.object)));
      revisions.push_back(change.revision);
    };
  }
};

TYPED_TEST(StoreContract, WritesGiveRisingRevisionsInTheObjectAndItsText) {
  Store& store = this->store();
  EXPECT_EQ(store.revision(), Revision::kNone);
  const auto created = PutAndWait(store, PodKey("a"), 1);
  ASSERT_TRUE(created);
  EXPECT_EQ((*created)->revision(), Revision{1});
  EXPECT_EQ(kube::StringAt((*created)->json(), "metadata.resourceVersion"), "1");
  EXPECT_EQ(kube::Json::parse((*created)->text()), (*created)->json());
  const auto updated = PutAndWait(store, PodKey("a"), 2);
  ASSERT_TRUE(updated);
  EXPECT_EQ((*updated)->revision(), Revision{2});
  EXPECT_EQ(store.Get(PodKey("a")), *updated);
  EXPECT_EQ(store.revision(), Revision{2});
}

TYPED_TEST(StoreContract, RemovingGivesTheLastStateItsOwnRevision) {
  Store& store = this->store();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  const auto removed = ApplyAndWait(store, PodKey("a"), RemoveIt());
  ASSERT_TRUE(removed);
  EXPECT_EQ((*removed)->revision(), Revision{2});
  EXPECT_EQ(NOf(*removed), 1);
  EXPECT_EQ(store.Get(PodKey("a")), nullptr);
  EXPECT_TRUE(store.List("pods", "").items.empty());
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 7));
  EXPECT_EQ(NOf(store.Get(PodKey("a"))), 7);
}

TYPED_TEST(StoreContract, KeepAndErrorsChangeNothing) {
  Store& store = this->store();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  const auto kept = ApplyAndWait(store, PodKey("a"), KeepIt());
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, store.Get(PodKey("a")));
  const auto absent = ApplyAndWait(store, PodKey("b"), KeepIt());
  ASSERT_TRUE(absent);
  EXPECT_EQ(*absent, nullptr);
  const auto failed = ApplyAndWait(store, PodKey("a"), [](const ObjectPtr&) -> base::Result<Write> {
    return Fail(ErrorKind::kConflict, "changed meanwhile");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(failed.error().message(), "changed meanwhile");
  EXPECT_EQ(store.revision(), Revision{1});
}

TYPED_TEST(StoreContract, FaultyMutationsAreErrorsAndLeaveTheStoreWorking) {
  Store& store = this->store();
  using Result = base::Result<Write>;
  const std::vector<Mutation> faulty = {
      [](const ObjectPtr&) -> Result { throw std::runtime_error("a fault"); },
      [](const ObjectPtr&) -> Result { return Put{kube::Json::array()}; },
      [](const ObjectPtr&) -> Result { return Put{{{"metadata", 7}}}; },
      [](const ObjectPtr&) -> Result { return Remove{}; },
  };
  for (const Mutation& mutation : faulty) {
    const auto result = ApplyAndWait(store, PodKey("a"), mutation);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kInternal);
    EXPECT_THAT(result.error().message(), ::testing::HasSubstr("pods \"default/a\""));
  }
  const auto large = PutAndWait(store, PodKey("a"), 1, std::string(9 << 20, 'x'));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(store.revision(), Revision::kNone);
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  EXPECT_EQ(store.revision(), Revision{1});
}

TYPED_TEST(StoreContract, ListsAreOrderedAndOfOneNamespaceOrAll) {
  Store& store = this->store();
  for (const auto& [ns, name] : std::vector<std::pair<std::string, std::string>>{
           {"b", "x"}, {"a", "z"}, {"a", "y"}, {"a-1", "w"}, {"aa", "v"}}) {
    ASSERT_TRUE(PutAndWait(store, PodKey(name, ns), 1));
  }
  const Key node{"nodes", "", "n"};
  ASSERT_TRUE(PutAndWait(store, node, 1));
  EXPECT_THAT(NamesOf(store.List("pods", "")), ElementsAre("y", "z", "w", "v", "x"));
  EXPECT_THAT(NamesOf(store.List("pods", "a")), ElementsAre("y", "z"));
  EXPECT_THAT(NamesOf(store.List("pods", "none")), ElementsAre());
  EXPECT_THAT(NamesOf(store.List("nodes", "")), ElementsAre("n"));
  EXPECT_EQ(store.List("none", "").revision, Revision{6});
  EXPECT_NE(store.Get(node), nullptr);
  EXPECT_EQ(store.Get({"nodes", "", "other"}), nullptr);
}

TYPED_TEST(StoreContract, WatchersSeeTheirResourceOnceInOrder) {
  Store& store = this->store();
  Seen seen;
  auto subscription = store.Subscribe("pods", Revision::kNone, seen.Sink());
  ASSERT_TRUE(subscription);
  Settle(store);
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  ASSERT_TRUE(PutAndWait(store, {"nodes", "", "n"}, 1));
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 2));
  ASSERT_TRUE(ApplyAndWait(store, PodKey("a"), RemoveIt()));
  EXPECT_THAT(seen.events, ElementsAre("+a=1", "~a=2", "-a=2"));
  EXPECT_THAT(seen.revisions, ElementsAre(Revision{1}, Revision{3}, Revision{4}));
}

TYPED_TEST(StoreContract, ChangesCarryWhatWasBefore) {
  Store& store = this->store();
  std::vector<Change> changes;
  auto subscription = store.Subscribe("pods", Revision::kNone,
                                      [&](const Change& change) { changes.push_back(change); });
  const auto first = PutAndWait(store, PodKey("a"), 1);
  const auto second = PutAndWait(store, PodKey("a"), 2);
  const auto removed = ApplyAndWait(store, PodKey("a"), RemoveIt());
  ASSERT_TRUE(first && second && removed);
  ASSERT_EQ(changes.size(), 3U);
  EXPECT_EQ(changes[0].previous, nullptr);
  EXPECT_EQ(changes[1].previous, *first);
  EXPECT_EQ(changes[1].object, *second);
  EXPECT_EQ(changes[2].previous, *second);
  EXPECT_EQ(changes[2].object, *removed);
}

TYPED_TEST(StoreContract, AChangeIsVisibleBeforeItsSinksAndSinksRunBeforeDone) {
  Store& store = this->store();
  std::vector<std::string> order;
  auto subscription = store.Subscribe("pods", Revision::kNone, [&](const Change& change) {
    order.push_back(store.Get(PodKey("a")) == change.object &&
                            store.revision() == change.revision &&
                            store.List("pods", "").items.size() == 1
                        ? "visible"
                        : "hidden");
  });
  std::promise<void> done;
  store.Apply(PodKey("a"), testing::PutN(PodKey("a"), 1), [&](base::Result<ObjectPtr> result) {
    order.push_back(result ? "done" : "failed");
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_THAT(order, ElementsAre("visible", "done"));
}

TYPED_TEST(StoreContract, ReplayJoinsHistoryAndLiveWithoutAGap) {
  Store& store = this->store();
  for (int n = 1; n <= 700; ++n) ASSERT_TRUE(PutAndWait(store, PodKey("a"), n));
  Seen seen;
  auto subscription = store.Subscribe("pods", Revision{100}, seen.Sink());
  ASSERT_TRUE(subscription);
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 701));
  ASSERT_EQ(seen.revisions.size(), 601U);
  for (std::size_t i = 0; i < seen.revisions.size(); ++i) {
    ASSERT_EQ(seen.revisions[i], Revision{101 + i});
  }
}

TYPED_TEST(StoreContract, ResumingFromNowSeesOnlyWhatComes) {
  Store& store = this->store();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  Seen seen;
  auto subscription = store.Subscribe("pods", store.revision(), seen.Sink());
  ASSERT_TRUE(subscription);
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 2));
  EXPECT_THAT(seen.events, ElementsAre("~a=2"));
}

TYPED_TEST(StoreContract, HistoryIsBoundedByCount) {
  this->Reset({.changes = 10});
  Store& store = this->store();
  for (int n = 1; n <= 30; ++n) ASSERT_TRUE(PutAndWait(store, PodKey("a"), n));
  EXPECT_EQ(store.metrics().history_changes, 10U);
  Seen seen;
  const auto expired = store.Subscribe("pods", Revision{19}, seen.Sink());
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().kind(), ErrorKind::kExpired);
  EXPECT_EQ(expired.error().message(), "too old resource version: 19 (20)");
  const auto reached = store.Subscribe("pods", Revision{20}, seen.Sink());
  ASSERT_TRUE(reached);
  Settle(store);
  EXPECT_EQ(seen.revisions.size(), 10U);
}

TYPED_TEST(StoreContract, HistoryIsBoundedByMemory) {
  this->Reset({.changes = 1000, .bytes = 1 << 20});
  Store& store = this->store();
  const std::string padding(10'000, 'x');
  for (int n = 1; n <= 100; ++n) ASSERT_TRUE(PutAndWait(store, PodKey("a"), n, padding));
  EXPECT_LE(store.metrics().history_bytes, 1U << 20);
  EXPECT_GT(store.metrics().history_changes, 0U);
  EXPECT_LT(store.metrics().history_changes, 20U);
}

TYPED_TEST(StoreContract, ARevisionStillToComeIsRefused) {
  Store& store = this->store();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  const auto future = store.Subscribe("pods", Revision{2}, [](const Change&) {});
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().kind(), ErrorKind::kDeadlineExceeded);
  EXPECT_EQ(future.error().message(), "Too large resource version: 2, current: 1");
}

TYPED_TEST(StoreContract, AnEndedSubscriptionIsSilent) {
  Store& store = this->store();
  Seen seen;
  auto subscription = store.Subscribe("pods", Revision::kNone, seen.Sink());
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  subscription->reset();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 2));
  EXPECT_THAT(seen.events, ElementsAre("+a=1"));
}

TYPED_TEST(StoreContract, ASinkMayEndItsOwnSubscriptionAndOthers) {
  Store& store = this->store();
  std::unique_ptr<Subscription> own;
  std::unique_ptr<Subscription> other;
  int own_calls = 0;
  int other_calls = 0;
  own = *store.Subscribe("pods", Revision::kNone, [&](const Change&) {
    ++own_calls;
    own.reset();
    other.reset();
  });
  other = *store.Subscribe("pods", Revision::kNone, [&](const Change&) { ++other_calls; });
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 2));
  EXPECT_EQ(own_calls, 1);
  EXPECT_EQ(other_calls, 0);
}

TYPED_TEST(StoreContract, EndingWaitsForARunningSink) {
  Store& store = this->store();
  std::latch entered(1);
  std::latch ending(1);
  std::atomic<bool> finished = false;
  auto subscription = store.Subscribe("pods", Revision::kNone, [&](const Change&) {
    entered.count_down();
    ending.wait();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    finished = true;
  });
  std::thread writer([&] { EXPECT_TRUE(PutAndWait(store, PodKey("a"), 1)); });
  entered.wait();
  ending.count_down();
  subscription->reset();
  EXPECT_TRUE(finished);
  writer.join();
}

TYPED_TEST(StoreContract, WhatASinkCapturedIsFreedWithItsSubscription) {
  Store& store = this->store();
  auto captured = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = captured;
  auto subscription =
      store.Subscribe("pods", Revision::kNone, [captured](const Change&) { ++*captured; });
  captured.reset();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  EXPECT_FALSE(watched.expired());
  subscription->reset();
  EXPECT_TRUE(watched.expired());
}

TYPED_TEST(StoreContract, SinksMayWriteAndSubscribe) {
  Store& store = this->store();
  Seen seen;
  std::unique_ptr<Subscription> late;
  std::promise<void> echoed;
  auto subscription = store.Subscribe("pods", Revision::kNone, [&](const Change& change) {
    if (change.object->name() != "a") return;
    late = *store.Subscribe("pods", Revision::kNone, seen.Sink());
    store.Apply(PodKey("echo"), testing::PutN(PodKey("echo"), 5),
                [&](base::Result<ObjectPtr>) { echoed.set_value(); });
  });
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  echoed.get_future().wait();
  EXPECT_EQ(NOf(store.Get(PodKey("echo"))), 5);
  EXPECT_THAT(seen.events, ElementsAre("+echo=5"));
}

TYPED_TEST(StoreContract, SubscriptionsMayOutliveTheStore) {
  std::unique_ptr<Subscription> subscription;
  {
    TypeParam maker;
    auto store = maker.Make({});
    subscription = *store->Subscribe("pods", Revision::kNone, [](const Change&) {});
  }
  subscription.reset();
}

TYPED_TEST(StoreContract, EndedSubscriptionsLeaveNothingBehind) {
  Store& store = this->store();
  for (int i = 0; i < 1000; ++i) {
    auto subscription = store.Subscribe("pods", Revision::kNone, [](const Change&) {});
    ASSERT_TRUE(subscription);
  }
  auto kept = store.Subscribe("pods", Revision::kNone, [](const Change&) {});
  Settle(store);
  EXPECT_EQ(store.metrics().subscriptions, 1U);
}

TYPED_TEST(StoreContract, MetricsCountWhatIsThere) {
  Store& store = this->store();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 1));
  ASSERT_TRUE(PutAndWait(store, PodKey("b"), 1));
  ASSERT_TRUE(PutAndWait(store, {"nodes", "", "n"}, 1));
  ASSERT_TRUE(ApplyAndWait(store, PodKey("b"), RemoveIt()));
  const StoreMetrics metrics = store.metrics();
  EXPECT_EQ(metrics.objects, (std::map<std::string, std::size_t>{{"nodes", 1}, {"pods", 1}}));
  EXPECT_EQ(metrics.changes, 4U);
  EXPECT_EQ(metrics.commits, 4U);
  EXPECT_EQ(metrics.failed_commits, 0U);
  EXPECT_EQ(metrics.history_changes, 4U);
}

// Optimistic read-modify-write as the API does it: lost updates would show as a wrong sum.
TYPED_TEST(StoreContract, OptimisticCountersLoseNoUpdate) {
  Store& store = this->store();
  constexpr int kThreads = 8;
  constexpr int kIncrements = 60;
  constexpr int kCounters = 3;
  const auto key_of = [](int i) { return PodKey("counter-" + std::to_string(i)); };
  for (int i = 0; i < kCounters; ++i) ASSERT_TRUE(PutAndWait(store, key_of(i), 0));

  std::map<std::string, std::int64_t> watched;
  Revision last = Revision::kNone;
  bool in_order = true;
  auto subscription = store.Subscribe("pods", Revision::kNone, [&](const Change& change) {
    in_order = in_order && change.revision > last &&
               NOf(change.object) == watched[change.object->name()] + 1;
    watched[change.object->name()] = NOf(change.object);
    last = change.revision;
  });
  Settle(store);

  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kIncrements;) {
        const Key key = key_of((i + t) % kCounters);
        const ObjectPtr seen = store.Get(key);
        const auto result =
            ApplyAndWait(store, key, [&](const ObjectPtr& current) -> base::Result<Write> {
              if (current->revision() != seen->revision()) {
                return Fail(ErrorKind::kConflict, "changed meanwhile");
              }
              return Put{testing::PodJson(key, NOf(seen) + 1)};
            });
        if (result) ++i;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::int64_t sum = 0;
  for (int i = 0; i < kCounters; ++i) sum += NOf(store.Get(key_of(i)));
  EXPECT_EQ(sum, kThreads * kIncrements);
  EXPECT_TRUE(in_order);
  EXPECT_EQ(std::to_underlying(store.revision()), kCounters + kThreads * kIncrements);
}

// Watches that begin, resume and end while others write: none misses or repeats a change, and what
// a sink uses may be freed as soon as its subscription is gone.
TYPED_TEST(StoreContract, WatchesComeAndGoUnderLoad) {
  Store& store = this->store();
  ASSERT_TRUE(PutAndWait(store, PodKey("a"), 0));
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const auto list = store.List("pods", "");
        struct State {
          Revision last;
          bool gapless = true;
          std::latch some{3};
          int seen = 0;
        };
        auto state = std::make_unique<State>();
        state->last = list.revision;
        auto subscription =
            store.Subscribe("pods", list.revision, [&s = *state](const Change& change) {
              s.gapless = s.gapless &&
                          std::to_underlying(change.revision) == std::to_underlying(s.last) + 1;
              s.last = change.revision;
              if (++s.seen <= 3) s.some.count_down();
            });
        ASSERT_TRUE(subscription);
        while (!stop && !state->some.try_wait()) std::this_thread::yield();
        subscription->reset();
        EXPECT_TRUE(state->gapless);
        state.reset();
      }
    });
  }
  for (int n = 1; n <= 400; ++n) ASSERT_TRUE(PutAndWait(store, PodKey("a"), n));
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace enclave::cluster
