// What the store promises when the disk fails: a clear refusal, reads that go on, recovery by
// itself, and nothing acknowledged lost, not even to a power cut.
#include <atomic>
#include <fstream>
#include <latch>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "cluster/store/fault_disk.h"
#include "cluster/store/sqlite_store.h"
#include "cluster/store/test_support.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::ObjectPtr;
using kube::Revision;
using testing::FaultDisk;
using ::testing::HasSubstr;
using testing::NOf;
using testing::PodKey;
using testing::PutAndWait;
using testing::RemoveIt;

std::unique_ptr<SqliteStore> MustOpen(const std::string& path, const std::string& vfs = "") {
  // A small log, so that checkpoints are frequent.
  auto store = SqliteStore::Open(path, {.idle_log_pages = 16, .log_pages = 32, .vfs = vfs});
  CHECK(store.has_value(), store.error().ToString());
  return std::move(*store);
}

std::map<std::string, std::string> TextsOf(const Store& store) {
  std::map<std::string, std::string> texts;
  for (const ObjectPtr& object : store.List("pods", "").items) {
    texts[object->name()] = object->text();
  }
  return texts;
}

TEST(DiskFault, AFullDiskRefusesClearlyReadsGoOnAndItRecovers) {
  testing::TempDir directory;
  FaultDisk disk;
  auto store = MustOpen(directory.File("store.db"), disk.vfs());
  ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 1));
  std::vector<Revision> seen;
  auto subscription = store->Subscribe(
      "pods", Revision{1}, [&](const Change& change) { seen.push_back(change.revision); });

  disk.FailAfter(0, FaultDisk::Fault::kFull);
  for (int n = 2; n < 5; ++n) {
    const auto refused = PutAndWait(*store, PodKey("a"), n);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kUnavailable);
    EXPECT_THAT(refused.error().message(), HasSubstr("no space left on the disk"));
  }
  EXPECT_FALSE(ApplyAndWait(*store, PodKey("a"), RemoveIt()));
  EXPECT_EQ(NOf(store->Get(PodKey("a"))), 1);
  EXPECT_EQ(store->revision(), Revision{1});
  EXPECT_EQ(store->List("pods", "").items.size(), 1U);
  EXPECT_TRUE(ApplyAndWait(*store, PodKey("a"), testing::KeepIt())) << "reading is no write";
  EXPECT_EQ(store->metrics().failed_commits, 4U);

  disk.Heal();
  const auto stored = PutAndWait(*store, PodKey("a"), 9);
  ASSERT_TRUE(stored);
  EXPECT_EQ((*stored)->revision(), Revision{6}) << "revisions of refused commits are not reused";
  EXPECT_THAT(seen, ::testing::ElementsAre(Revision{6}));
}

// What was computed from a refused change is refused with it; what was not, keeps its answer.
TEST(DiskFault, OnlyWhatHungOnTheRefusedCommitIsRefused) {
  testing::TempDir directory;
  FaultDisk disk;
  auto store = MustOpen(directory.File("store.db"), disk.vfs());
  ASSERT_TRUE(PutAndWait(*store, PodKey("old"), 1));
  const auto create = [](const Key& key) -> Mutation {
    return [key](const ObjectPtr& current) -> base::Result<Write> {
      if (current != nullptr) return base::Fail(ErrorKind::kAlreadyExists, "exists");
      return Put{testing::PodJson(key, 1)};
    };
  };
  std::latch entered{1};
  std::latch release{1};
  std::latch answered{5};
  std::map<std::string, std::string> answers;
  const auto apply = [&](const std::string& label, const Key& key, Mutation mutation) {
    store->Apply(key, std::move(mutation), [&, label](base::Result<ObjectPtr> result) {
      answers[label] = result ? "ok" : std::string(base::ToString(result.error().kind()));
      answered.count_down();
    });
  };
  apply("block", PodKey("block"), [&](const ObjectPtr&) -> base::Result<Write> {
    entered.count_down();
    release.wait();
    return Keep{};
  });
  entered.wait();
  disk.FailAfter(0, FaultDisk::Fault::kFull);
  apply("first", PodKey("new"), create(PodKey("new")));
  apply("second", PodKey("new"), create(PodKey("new")));
  apply("duplicate", PodKey("old"), create(PodKey("old")));
  apply("keep", PodKey("new"), testing::KeepIt());
  release.count_down();
  answered.wait();
  EXPECT_THAT(answers, ::testing::UnorderedElementsAre(std::pair("block", "ok"),
                                                       std::pair("first", "Unavailable"),
                                                       std::pair("second", "Unavailable"),
                                                       std::pair("duplicate", "AlreadyExists"),
                                                       std::pair("keep", "Unavailable")));
}

// Every place at which a commit or a checkpoint can fail, with every fault.
TEST(DiskFault, AnyFailingStepLeavesMemoryAndDiskAgreed) {
  constexpr std::uint64_t kPlaces = 64;
  for (const auto fault :
       {FaultDisk::Fault::kFull, FaultDisk::Fault::kWriteError, FaultDisk::Fault::kSyncError}) {
    for (std::uint64_t place = 0; place < kPlaces; ++place) {
      SCOPED_TRACE(::testing::Message() << "fault " << static_cast<int>(fault) << " at " << place);
      testing::TempDir directory;
      FaultDisk disk;
      std::map<std::string, std::string> expected;
      Revision last = Revision::kNone;
      {
        auto store = MustOpen(directory.File("store.db"), disk.vfs());
        // Fills the log, so that a checkpoint is near.
        for (int i = 0; i < 5; ++i) {
          ASSERT_TRUE(
              PutAndWait(*store, PodKey("p" + std::to_string(i)), i, std::string(10'000, 'x')));
        }
        expected = TextsOf(*store);
        last = store->revision();
        disk.FailAfter(place, fault);
        for (int i = 0; i < 12; ++i) {
          // Some write in place, some add pages, some free them.
          const Key key = PodKey("p" + std::to_string(i % 7));
          const auto result =
              i % 5 == 4 ? ApplyAndWait(*store, key, RemoveIt())
                         : PutAndWait(*store, key, 100 + i,
                                      std::string(static_cast<std::size_t>(i) * 1500, 'y'));
          if (result) {
            EXPECT_GT((*result)->revision(), last);
            last = (*result)->revision();
            if (i % 5 == 4) {
              expected.erase(key.name);
            } else {
              expected[key.name] = (*result)->text();
            }
          } else if (result.error().kind() != ErrorKind::kNotFound) {
            EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable) << result.error().ToString();
          }
          ASSERT_EQ(TextsOf(*store), expected);
        }
        disk.Heal();
        const auto healed = PutAndWait(*store, PodKey("healed"), 1);
        ASSERT_TRUE(healed) << healed.error().ToString();
        EXPECT_GT((*healed)->revision(), last);
        last = (*healed)->revision();
        expected["healed"] = (*healed)->text();
      }
      auto store = MustOpen(directory.File("store.db"));
      EXPECT_EQ(TextsOf(*store), expected);
      EXPECT_EQ(store->revision(), last);
    }
  }
}

TEST(DiskFault, OpeningOnAFullDiskIsAClearErrorAndHarmless) {
  testing::TempDir directory;
  FaultDisk disk;
  {
    ASSERT_TRUE(PutAndWait(*MustOpen(directory.File("store.db"), disk.vfs()), PodKey("a"), 1));
  }
  disk.FailAfter(0, FaultDisk::Fault::kFull);
  const auto fresh = SqliteStore::Open(directory.File("fresh.db"), {.vfs = disk.vfs()});
  ASSERT_FALSE(fresh);
  EXPECT_EQ(fresh.error().kind(), ErrorKind::kUnavailable);
  disk.Heal();
  ASSERT_TRUE(PutAndWait(*MustOpen(directory.File("fresh.db"), disk.vfs()), PodKey("a"), 1));
  EXPECT_EQ(NOf(MustOpen(directory.File("store.db"), disk.vfs())->Get(PodKey("a"))), 1);
}

// The power goes at many moments while several clients write. Whatever part of the unsynced sectors
// reached the platter, the database opens and holds every write acknowledged before the cut.
TEST(DiskFault, APowerCutLosesNothingAcknowledged) {
  constexpr int kClients = 4;
  constexpr int kCuts = 60;
  testing::TempDir directory;
  FaultDisk disk;
  base::SeededRandom random(20240229);

  struct Cut {
    std::map<std::string, std::string> files;
    std::vector<std::int64_t> acknowledged;  // by client
    std::int64_t revision;
  };
  std::vector<Cut> cuts;
  {
    auto store = MustOpen(directory.File("store.db"), disk.vfs());
    std::vector<std::atomic<std::int64_t>> acknowledged(kClients);
    std::atomic<std::int64_t> revision = 0;
    std::atomic<bool> stop = false;
    std::atomic<int> writes = 0;
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&, c] {
        const Key key = PodKey("client-" + std::to_string(c));
        for (std::int64_t n = 1; !stop; ++n) {
          // Now and then much, so that the log fills and checkpoints happen.
          const std::size_t padding = n % 16 == 0 ? 15'000 : 1'000;
          const auto stored = PutAndWait(*store, key, n, std::string(padding, 'x'));
          ASSERT_TRUE(stored);
          acknowledged[static_cast<std::size_t>(c)] = n;
          const auto r = static_cast<std::int64_t>((*stored)->revision());
          for (auto seen = revision.load(); seen < r && !revision.compare_exchange_weak(seen, r);) {
          }
          writes.fetch_add(1);
          writes.notify_all();
        }
      });
    }
    for (int i = 0; i < kCuts; ++i) {
      const int from = writes.load();
      for (int now = from; now < from + 1 + static_cast<int>(random.Below(20));
           now = writes.load()) {
        writes.wait(now);
      }
      Cut cut;
      cut.revision = revision;
      for (const auto& n : acknowledged) cut.acknowledged.push_back(n);
      cut.files = disk.AfterPowerCut(random);
      cuts.push_back(std::move(cut));
    }
    stop = true;
    for (std::thread& client : clients) client.join();
  }
  for (const Cut& cut : cuts) {
    testing::TempDir after;
    for (const auto& [name, content] : cut.files) {
      std::ofstream(after.File(name), std::ios::binary) << content;
    }
    auto store = MustOpen(after.File("store.db"));
    EXPECT_GE(static_cast<std::int64_t>(store->revision()), cut.revision);
    for (std::size_t c = 0; c < kClients; ++c) {
      const std::int64_t n = NOf(store->Get(PodKey("client-" + std::to_string(c))));
      EXPECT_GE(n, cut.acknowledged[c] == 0 ? -1 : cut.acknowledged[c]);
    }
  }
}

}  // namespace
}  // namespace enclave::cluster
