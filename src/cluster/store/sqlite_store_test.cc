#include "cluster/store/sqlite_store.h"

#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/store/test_support.h"
#include "sqlite/database.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::ObjectPtr;
using kube::Revision;
using ::testing::HasSubstr;
using testing::NOf;
using testing::PodKey;
using testing::PutAndWait;
using testing::RemoveIt;

class SqliteStoreTest : public ::testing::Test {
 protected:
  base::Result<std::unique_ptr<SqliteStore>> Open(SqliteStore::Options options = {}) {
    return SqliteStore::Open(path_, std::move(options));
  }
  std::unique_ptr<SqliteStore> MustOpen(SqliteStore::Options options = {}) {
    auto store = Open(std::move(options));
    CHECK(store.has_value(), store.error().ToString());
    return std::move(*store);
  }
  void Sql(const std::string& sql) {
    auto database = sqlite::Database::Open(path_, {});
    ASSERT_TRUE(database);
    const auto executed = (*database)->Execute(sql);
    ASSERT_TRUE(executed) << executed.error().ToString();
  }
  void ExpectOpenFails(ErrorKind kind, const std::string& message) {
    const auto store = Open();
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().kind(), kind) << store.error().ToString();
    EXPECT_THAT(store.error().message(), HasSubstr(message));
    EXPECT_THAT(store.error().message(), HasSubstr(path_));
  }

  testing::TempDir directory_;
  const std::string path_ = directory_.File("store.db");
};

TEST_F(SqliteStoreTest, ObjectsAndRevisionSurviveReopening) {
  std::vector<std::string> texts;
  {
    auto store = MustOpen();
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(PutAndWait(*store, PodKey("p" + std::to_string(i)), i, "\u00fc\n\"\\ \t"));
    }
    ASSERT_TRUE(PutAndWait(*store, PodKey("p7"), 700));
    ASSERT_TRUE(ApplyAndWait(*store, PodKey("p8"), RemoveIt()));
    ASSERT_TRUE(PutAndWait(*store, PodKey("p8"), 800));
    ASSERT_TRUE(PutAndWait(*store, {"nodes", "", "n"}, 1));
    for (const ObjectPtr& object : store->List("pods", "").items) texts.push_back(object->text());
  }
  auto store = MustOpen();
  EXPECT_EQ(store->revision(), Revision{54});
  std::vector<std::string> restored;
  for (const ObjectPtr& object : store->List("pods", "").items) restored.push_back(object->text());
  EXPECT_EQ(restored, texts);
  EXPECT_EQ(NOf(store->Get(PodKey("p7"))), 700);
  EXPECT_EQ(NOf(store->Get(PodKey("p8"))), 800);
  EXPECT_EQ(NOf(store->Get({"nodes", "", "n"})), 1);
  ASSERT_TRUE(PutAndWait(*store, PodKey("p7"), 701));
  EXPECT_EQ(store->revision(), Revision{55});
}

TEST_F(SqliteStoreTest, ARevisionIsNotReusedWhenTheLastChangeWasARemoval) {
  {
    auto store = MustOpen();
    ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 1));
    ASSERT_TRUE(ApplyAndWait(*store, PodKey("a"), RemoveIt()));
  }
  auto store = MustOpen();
  EXPECT_EQ(store->revision(), Revision{2});
  const auto created = PutAndWait(*store, PodKey("a"), 1);
  ASSERT_TRUE(created);
  EXPECT_EQ((*created)->revision(), Revision{3});
}

TEST_F(SqliteStoreTest, AfterReopeningWatchesResumeFromNowOrListAgain) {
  {
    auto store = MustOpen();
    for (int n = 1; n <= 3; ++n) ASSERT_TRUE(PutAndWait(*store, PodKey("a"), n));
  }
  auto store = MustOpen();
  const auto old = store->Subscribe("pods", Revision{2}, [](const Change&) {});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().kind(), ErrorKind::kExpired);
  std::vector<Revision> seen;
  const auto now = store->Subscribe("pods", Revision{3},
                                    [&](const Change& change) { seen.push_back(change.revision); });
  ASSERT_TRUE(now);
  ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 4));
  EXPECT_THAT(seen, ::testing::ElementsAre(Revision{4}));
}

TEST_F(SqliteStoreTest, ASecondStoreOnTheSameFileIsRefused) {
  {
    auto store = MustOpen();
    ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 1));
    ExpectOpenFails(ErrorKind::kUnavailable, "in use by another process");
    ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 2));
  }
  EXPECT_EQ(NOf(MustOpen()->Get(PodKey("a"))), 2);
}

TEST_F(SqliteStoreTest, AMissingDirectoryIsNamed) {
  const auto store = SqliteStore::Open(directory_.File("none/store.db"));
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(store.error().message(), HasSubstr("No such file or directory"));
}

TEST_F(SqliteStoreTest, GarbageIsRefused) {
  std::ofstream(path_) << std::string(8192, 'g');
  ExpectOpenFails(ErrorKind::kInternal, "damaged or no database");
  EXPECT_EQ(std::filesystem::file_size(path_), 8192U) << "a foreign file must not be changed";
  std::ofstream(path_) << "short";
  ExpectOpenFails(ErrorKind::kInternal, "damaged or no database");
}

TEST_F(SqliteStoreTest, DamagedPagesAreRefused) {
  {
    auto store = MustOpen();
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(PutAndWait(*store, PodKey("p" + std::to_string(i)), i, std::string(1500, 'x')));
    }
  }
  const auto size = std::filesystem::file_size(path_);
  ASSERT_GT(size, 40U * 4096);
  // A page torn out of the middle of the table.
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(20 * 4096);
  file << std::string(4096, '\0');
  file.close();
  ExpectOpenFails(ErrorKind::kInternal, "damaged");
  // The tail lost.
  std::filesystem::resize_file(path_, size / 2);
  ExpectOpenFails(ErrorKind::kInternal, "damaged");
}

TEST_F(SqliteStoreTest, RowsThatContradictThemselvesAreRefused) {
  const auto fresh = [&] {
    std::filesystem::remove(path_);
    auto store = MustOpen();
    ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 1));
    ASSERT_TRUE(PutAndWait(*store, PodKey("a"), 2));
  };
  for (const auto& [sql, message] : std::vector<std::pair<std::string, std::string>>{
           {"UPDATE objects SET object = substr(object, 1, 20)", "is not JSON"},
           {"UPDATE objects SET revision = 1", "contradicts its own revision"},
           {"UPDATE meta SET value = '1' WHERE key = 'revision'", "newer than the database"},
           {"UPDATE meta SET value = 'x' WHERE key = 'revision'", "no revision"},
           {"UPDATE meta SET value = '-1' WHERE key = 'revision'", "no revision"},
           {"UPDATE meta SET value = '99999999999999999999' WHERE key = 'revision'", "no revision"},
           {"UPDATE objects SET created = -1", "newer than the database"},
           {"DELETE FROM meta WHERE key = 'revision'", "no revision"},
           {"INSERT INTO objects SELECT 2, resource, ns, name, revision, object FROM objects",
            "is there twice"}}) {
    fresh();
    Sql(sql);
    ExpectOpenFails(ErrorKind::kInternal, message);
  }
}

TEST_F(SqliteStoreTest, OtherPrograms) {
  Sql("CREATE TABLE theirs (a); PRAGMA application_id = 77");
  ExpectOpenFails(ErrorKind::kInternal, "another program");
}

TEST_F(SqliteStoreTest, ALaterSchemaIsRefused) {
  MustOpen();
  Sql("UPDATE meta SET value = '2' WHERE key = 'schema'");
  ExpectOpenFails(ErrorKind::kInternal, "schema is version \"2\"");
}

// Holds the store's thread inside a mutation, so that what comes next queues up behind it.
class Blocker {
 public:
  explicit Blocker(Store& store) {
    store.Apply(
        PodKey("blocker"),
        [this](const ObjectPtr&) -> base::Result<Write> {
          entered_.count_down();
          release_.wait();
          return Keep{};
        },
        [](base::Result<ObjectPtr>) {});
    entered_.wait();
  }
  void Release() { release_.count_down(); }

 private:
  std::latch entered_{1};
  std::latch release_{1};
};

TEST_F(SqliteStoreTest, AFullQueueRefusesAndEmptiesAgain) {
  auto store = MustOpen({.queue_limit = 5});
  Blocker blocker(*store);
  std::latch stored(4);
  for (int i = 0; i < 4; ++i) {
    const Key key = PodKey("p" + std::to_string(i));
    store->Apply(key, testing::PutN(key, i), [&](base::Result<ObjectPtr> result) {
      EXPECT_TRUE(result);
      stored.count_down();
    });
  }
  EXPECT_EQ(store->metrics().queue_length, 5U);
  const auto refused = PutAndWait(*store, PodKey("late"), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kResourceExhausted);
  EXPECT_EQ(store->metrics().refused_writes, 1U);
  blocker.Release();
  stored.wait();
  ASSERT_TRUE(PutAndWait(*store, PodKey("late"), 2));
}

TEST_F(SqliteStoreTest, QueuedWritesShareOneCommitAndFailAlone) {
  auto store = MustOpen();
  Blocker blocker(*store);
  std::latch answered(100);
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    // Each key is written twice, so later writes of the batch see the earlier ones.
    const Key key = PodKey("p" + std::to_string(i % 50));
    store->Apply(
        key,
        [key, i](const ObjectPtr& current) -> base::Result<Write> {
          EXPECT_EQ(current != nullptr, i >= 50 && i % 10 != 0);
          if (i % 10 == 0) return base::Fail(ErrorKind::kConflict, "no");
          return Put{testing::PodJson(key, i)};
        },
        [&](base::Result<ObjectPtr> result) {
          if (!result) ++failed;
          answered.count_down();
        });
  }
  blocker.Release();
  answered.wait();
  EXPECT_EQ(failed, 10);
  const StoreMetrics metrics = store->metrics();
  EXPECT_EQ(metrics.changes, 90U);
  EXPECT_LE(metrics.commits, 2U);
  EXPECT_GE(metrics.largest_batch, 45U);
  EXPECT_GT(metrics.commit_time.count(), 0);
  EXPECT_GT(metrics.disk_bytes, 0U);
}

TEST_F(SqliteStoreTest, DestructionCommitsWhatIsQueued) {
  int done = 0;
  {
    auto store = MustOpen();
    for (int i = 0; i < 500; ++i) {
      const Key key = PodKey("p" + std::to_string(i));
      store->Apply(key, testing::PutN(key, i), [&](base::Result<ObjectPtr> result) {
        if (result) ++done;
      });
    }
  }
  EXPECT_EQ(done, 500);
  EXPECT_EQ(MustOpen()->List("pods", "").items.size(), 500U);
}

TEST_F(SqliteStoreTest, TheLogIsBounded) {
  auto store = MustOpen({.idle_log_pages = 64, .log_pages = 256});
  const std::string padding(10'000, 'x');
  for (int i = 0; i < 1000; ++i) {
    const Key key = PodKey("p" + std::to_string(i % 20));
    store->Apply(key, testing::PutN(key, i, padding), [](base::Result<ObjectPtr>) {});
    if (i % 50 == 0) testing::Settle(*store);
  }
  testing::Settle(*store);
  // 10 MB went through it; the bound is 256 pages and the batch of at most 50 that went past it.
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), 3U << 20);
  EXPECT_LT(std::filesystem::file_size(path_), 1U << 20);
}

}  // namespace
}  // namespace enclave::cluster
