#include "sqlite/database.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sqlite/transaction.h"

namespace enclave::sqlite {
namespace {

using ::testing::HasSubstr;

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() {
    std::string made = ::testing::TempDir() + "sqlite-XXXXXX";
    EXPECT_NE(mkdtemp(made.data()), nullptr);
    directory_ = made;
    path_ = directory_ + "/a.db";
  }
  ~DatabaseTest() override { std::filesystem::remove_all(directory_); }
  std::unique_ptr<Database> MustOpen(const Options& options) {
    auto opened = Database::Open(path_, options);
    EXPECT_TRUE(opened) << opened.error().message();
    return opened ? std::move(*opened) : nullptr;
  }

  std::string directory_;
  std::string path_;
  const Options ours_{.application_id = 7,
                      .schema = "CREATE TABLE t (i INTEGER, r REAL, x TEXT, b BLOB) STRICT;"};
};

TEST_F(DatabaseTest, ColumnsOfEachTypeComeBackAsTheyWere) {
  const auto database = MustOpen(ours_);
  ASSERT_TRUE(database);
  auto insert = database->Prepare("INSERT INTO t VALUES (?, ?, ?, ?)");
  ASSERT_TRUE(insert);
  const std::string text("nul \0 inside", 12);
  ASSERT_TRUE(insert->Bind(1, std::uint64_t{1} << 63)
                  .Bind(2, 0.5)
                  .Bind(3, text)
                  .BindBytes(4, std::as_bytes(std::span(text)))
                  .Run());
  ASSERT_TRUE(insert->Bind(3, std::string_view()).BindBytes(4, {}).Run());
  EXPECT_EQ(database->last_insert_row(), 2);
  auto select = database->Prepare("SELECT i, r, x, b FROM t ORDER BY rowid");
  ASSERT_TRUE(select);
  ASSERT_EQ(select->Step(), true);
  EXPECT_EQ(select->Integer(0), INT64_MIN) << "the same 64 bits";
  EXPECT_EQ(select->Real(1), 0.5);
  EXPECT_EQ(select->Text(2), text);
  EXPECT_EQ(select->Bytes(3).size(), text.size());
  ASSERT_EQ(select->Step(), true);
  EXPECT_EQ(database->QueryInteger("SELECT count(*) FROM t WHERE x = ''"), 1)
      << "an empty view is an empty text and not NULL";
  EXPECT_EQ(select->Step(), false);
}

TEST_F(DatabaseTest, ATransactionWithoutCommitLeavesNothing) {
  const auto database = MustOpen(ours_);
  ASSERT_TRUE(database);
  {
    auto transaction = Transaction::Begin(*database);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(database->Execute("INSERT INTO t (i) VALUES (1)"));
  }
  EXPECT_FALSE(database->in_transaction());
  EXPECT_EQ(database->QueryInteger("SELECT count(*) FROM t"), 0);
  auto transaction = Transaction::Begin(*database);
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(database->Execute("INSERT INTO t (i) VALUES (1)"));
  ASSERT_TRUE(transaction->Commit());
  EXPECT_EQ(database->QueryInteger("SELECT count(*) FROM t"), 1);
}

TEST_F(DatabaseTest, WhoseFileItIsAndWhoHasIt) {
  {
    const auto database = MustOpen(ours_);
    ASSERT_TRUE(database);
    const auto second = Database::Open(path_, ours_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind(), base::ErrorKind::kUnavailable);
    EXPECT_THAT(second.error().message(), HasSubstr("another process"));
  }
  const auto theirs =
      Database::Open(path_, {.application_id = 8, .schema = "", .on_damage = OnDamage::kSetAside});
  ASSERT_FALSE(theirs) << "another program's file is no damage";
  EXPECT_THAT(theirs.error().message(), HasSubstr("another program"));
  EXPECT_TRUE(MustOpen(ours_));
}

TEST_F(DatabaseTest, SharedByTwo) {
  Options shared = ours_;
  shared.sharing = Sharing::kShared;
  const auto one = MustOpen(shared);
  const auto two = MustOpen(shared);
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(one->Execute("INSERT INTO t (i) VALUES (1)"));
  ASSERT_TRUE(two->Execute("INSERT INTO t (i) VALUES (2)"));
  EXPECT_EQ(one->QueryInteger("SELECT sum(i) FROM t"), 3);
}

TEST_F(DatabaseTest, ADamagedFileIsRefusedOrSetAsideAsAskedFor) {
  Options checked = ours_;
  checked.check_pages = true;
  Options aside = ours_;
  aside.on_damage = OnDamage::kSetAside;
  {
    const auto database = MustOpen(ours_);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->Execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
        "INSERT INTO t (i, x) SELECT i, hex(zeroblob(1000)) FROM n"));
  }
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20 * 4096);
    file << std::string(4096, '\0');
  }
  const auto refused = Database::Open(path_, checked);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::ErrorKind::kInternal);
  EXPECT_THAT(refused.error().message(), HasSubstr("move it away"));
  EXPECT_EQ(MustOpen(aside)->QueryInteger("SELECT count(*) FROM t"), 0);
  EXPECT_GT(std::filesystem::file_size(path_ + ".damaged"), 200'000U);

  // Not even a database; the older one makes place.
  std::ofstream(path_) << "nonsense";
  EXPECT_FALSE(Database::Open(path_, ours_));
  ASSERT_TRUE(MustOpen(aside));
  EXPECT_EQ(std::filesystem::file_size(path_ + ".damaged"), 8U);
}

TEST_F(DatabaseTest, TheLogIsCopiedWhenTheOwnerSaysSo) {
  Options own = ours_;
  own.checkpoint_by_itself = false;
  const auto database = MustOpen(own);
  ASSERT_TRUE(database);
  ASSERT_TRUE(database->Execute("INSERT INTO t (x) VALUES (hex(zeroblob(10000)))"));
  EXPECT_GT(database->log_pages(), 2U);
  ASSERT_TRUE(database->Checkpoint());
  EXPECT_EQ(database->log_pages(), 0U);
}

}  // namespace
}  // namespace enclave::sqlite
