// kill -9 at random moments: a child records, is told outcomes, forgets and saves its index, and
// reports what was acknowledged through a pipe; the parent kills it, opens the memory, and finds
// all of it.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include <gtest/gtest.h>

#include "memory/test_support.h"

namespace enclave::memory {
namespace {

using testing::Confirmed;
using testing::FixedClock;
using testing::IncidentOf;
using testing::kDayNs;
using testing::TempDir;

constexpr int kKills = 15;

enum class Deed : std::int32_t { kRecorded, kSaid, kForgot };
struct Report {
  Deed deed;
  std::int32_t number;
};

std::string IdOf(std::int32_t number) {
  return fmt::format("cart-cpu-{}", number);
}

[[noreturn]] void WorkUntilKilled(const std::string& path, std::int32_t number, int pipe) {
  const FixedClock clock(100 * kDayNs);
  auto memory = Memory::Open({.directory = path}, clock);
  if (!memory) _exit(1);
  const auto report = [&](Deed deed, std::int32_t of) {
    const Report line{deed, of};
    if (write(pipe, &line, sizeof line) != sizeof line) _exit(3);
  };
  for (;; ++number) {
    if (!(*memory)->Record(IncidentOf({"cart", "cpu"}, static_cast<std::uint64_t>(number))))
      _exit(2);
    report(Deed::kRecorded, number);
    if (number % 2 == 0) {
      if (!(*memory)->Say(IdOf(number), Confirmed("cart", "cpu", 1))) _exit(2);
      report(Deed::kSaid, number);
    }
    if (number % 3 == 0) {
      if (!(*memory)->Forget({IdOf(number - 1)})) _exit(2);
      report(Deed::kForgot, number - 1);
    }
    if (number % 4 == 0 && !(*memory)->Save()) _exit(2);
  }
}

TEST(MemoryCrashTest, KillsLoseNothingAcknowledged) {
  const TempDir directory;
  const std::string path = directory.path() + "/memory";
  const FixedClock clock(100 * kDayNs);
  base::SeededRandom random(4);
  struct State {
    bool said = false;
    bool forgotten = false;
  };
  std::map<std::int32_t, State> known;
  std::int32_t next = 1;

  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    SCOPED_TRACE(kill_number);
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(fds[0]);
      WorkUntilKilled(path, next, fds[1]);
    }
    close(fds[1]);
    const auto kill_after = 1 + random.Below(40);
    std::uint64_t count = 0;
    Report report{};
    while (read(fds[0], &report, sizeof report) == sizeof report) {
      State& state = known[report.number];
      state.said |= report.deed == Deed::kSaid;
      state.forgotten |= report.deed == Deed::kForgot;
      next = std::max(next, report.number + 1);
      if (++count == kill_after) kill(child, SIGKILL);
    }
    close(fds[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);

    auto memory = Memory::Open({.directory = path}, clock);
    ASSERT_TRUE(memory) << memory.error().ToString();
    for (auto& [number, state] : known) {
      const auto incident = (*memory)->ledger().Get(IdOf(number));
      if (state.forgotten) {
        EXPECT_FALSE(incident) << number;
        continue;
      }
      // The last may have been forgotten without a report.
      if (!incident && number + 2 >= next) {
        state.forgotten = true;
        continue;
      }
      ASSERT_TRUE(incident) << number << ": " << incident.error().ToString();
      if (state.said) {
        EXPECT_EQ(incident->outcomes.size(), 1u) << number;
      }
    }
    EXPECT_EQ(*(*memory)->index().Count(), *(*memory)->ledger().Codes());
    // The one that was under way may be there.
    while ((*memory)->ledger().Get(IdOf(next))) known[next++];
  }
  EXPECT_GE(known.size(), static_cast<std::size_t>(kKills));
}

}  // namespace
}  // namespace enclave::memory
