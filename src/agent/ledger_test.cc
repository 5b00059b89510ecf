#include "agent/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "agent/record.h"

namespace enclave::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    directory = (std::filesystem::temp_directory_path() / "enclave-ledger-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    path = directory + "/ledger.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::vector<std::uint64_t> Sequences(const Ledger& ledger, const std::string& incident) {
    std::vector<std::uint64_t> found;
    EXPECT_TRUE(ledger.Read(incident, [&](const Event& event) -> base::Result<> {
      found.push_back(event.sequence);
      return {};
    }));
    return found;
  }
  std::string directory;
  std::string path;
};

TEST_F(LedgerTest, KeepsEventsInOrderAcrossOpenings) {
  {
    const auto ledger = SqliteLedger::Open(path);
    ASSERT_TRUE(ledger) << ledger.error().message();
    EXPECT_EQ((*ledger)->Append({.time_ns = 5, .incident = "a"}), 1u);
    EXPECT_EQ((*ledger)->Append({.incident = "b", .kind = EventKind::kModeSet}), 2u);
  }
  const auto ledger = SqliteLedger::Open(path);
  ASSERT_TRUE(ledger);
  EXPECT_EQ((*ledger)->Append({.incident = "a", .body = {{"why", "ü \xff"}}}), 3u);
  EXPECT_THAT(Sequences(**ledger, ""), ElementsAre(1, 2, 3));
  EXPECT_THAT(Sequences(**ledger, "a"), ElementsAre(1, 3));
}

TEST_F(LedgerTest, NoEventIsEverChangedOrRemoved) {
  {
    const auto ledger = SqliteLedger::Open(path);
    ASSERT_TRUE(ledger);
    ASSERT_TRUE((*ledger)->Append({.incident = "a"}));
  }
  // Not by a bug of ours either.
  const auto again = sqlite::Database::Open(path, {});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_THAT((*again)->Execute("UPDATE events SET kind = 'x'").error().message(),
              HasSubstr("never changed"));
  EXPECT_THAT((*again)->Execute("DELETE FROM events").error().message(),
              HasSubstr("never removed"));
}

TEST_F(LedgerTest, OneAgentHasItAtATime) {
  const auto ledger = SqliteLedger::Open(path);
  ASSERT_TRUE(ledger);
  const auto other = SqliteLedger::Open(path);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT(other.error().message(), HasSubstr("another process"));
}

TEST_F(LedgerTest, AnotherProgramsFileIsLeftAlone) {
  {
    ASSERT_TRUE(sqlite::Database::Open(
        path, {.application_id = 77, .schema = "CREATE TABLE t (x INTEGER) STRICT;"}));
  }
  const auto ledger = SqliteLedger::Open(path);
  ASSERT_FALSE(ledger);
  EXPECT_THAT(ledger.error().message(), HasSubstr("another program"));
}

TEST_F(LedgerTest, ReadsMoreThanAPage) {
  const auto ledger = SqliteLedger::Open(path);
  ASSERT_TRUE(ledger);
  for (int i = 0; i < 1201; ++i) ASSERT_TRUE((*ledger)->Append({.incident = "a"}));
  EXPECT_EQ(Sequences(**ledger, "a").size(), 1201u);
}

TEST(StageTest, TheTableHoldsWhatItPromises) {
  EXPECT_EQ(After(Stage::kNone, EventKind::kOpened), Stage::kDetected);
  EXPECT_EQ(After(Stage::kPlanned, EventKind::kActionStarted), Stage::kActing);
  EXPECT_EQ(After(Stage::kDetected, EventKind::kActionStarted), std::nullopt)
      << "nothing is done without a plan";
  EXPECT_EQ(After(Stage::kActing, EventKind::kClosed, Stage::kEscalated), std::nullopt)
      << "what is begun is finished first";
  EXPECT_EQ(After(Stage::kVerifying, EventKind::kClosed, Stage::kResolved), Stage::kResolved);
  EXPECT_EQ(After(Stage::kVerifying, EventKind::kClosed, Stage::kPlanned), std::nullopt)
      << "that is no outcome";
  EXPECT_EQ(After(Stage::kLearned, EventKind::kLearned), std::nullopt);
  EXPECT_EQ(After(Stage::kLearned, EventKind::kAlertResolved), Stage::kLearned);
  for (int event = 0; event <= static_cast<int>(EventKind::kModeSet); ++event) {
    const auto kind = static_cast<EventKind>(event);
    EXPECT_EQ(EventKindFromString(ToString(kind)), kind);
    if (kind != EventKind::kOpened)
      EXPECT_EQ(After(Stage::kNone, kind, Stage::kResolved), std::nullopt) << ToString(kind);
  }
}

TEST(RecordTest, AnEventThatCannotFollowIsRefused) {
  Record record;
  Event event{.incident = "a", .kind = EventKind::kActionDone};
  const auto applied = Apply(event, &record);
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message(), HasSubstr("cannot follow"));
  EXPECT_EQ(record.stage, Stage::kNone);
}

}  // namespace
}  // namespace enclave::agent
