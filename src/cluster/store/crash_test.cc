// kill -9 at random moments: a child writes and reports what was acknowledged through a pipe; the
// parent kills it, reopens the database, and finds every reported write there.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "cluster/store/sqlite_store.h"
#include "cluster/store/test_support.h"

namespace enclave::cluster {
namespace {

using kube::Revision;
using testing::NOf;
using testing::PodKey;

constexpr int kClients = 4;
constexpr int kKeysPerClient = 5;
constexpr int kKeys = kClients * kKeysPerClient;
constexpr int kKills = 30;

// One acknowledged write; small enough for a pipe to take it whole.
struct Report {
  std::int32_t key;
  std::int32_t step;
  std::uint64_t revision;
};

Key KeyOf(int key) {
  return PodKey("key-" + std::to_string(key));
}

// Each key goes through steps 1, 2, 3...; every fifth removes the object, the others store the
// step.
bool Removes(std::int64_t step) {
  return step % 5 == 0;
}

[[noreturn]] void WriteUntilKilled(const std::string& path, std::vector<std::int32_t> steps,
                                   int pipe) {
  auto store = SqliteStore::Open(path, {});
  if (!store) _exit(1);
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0;; ++i) {
        const int k = c * kKeysPerClient + i % kKeysPerClient;
        const std::int32_t step = ++steps[static_cast<std::size_t>(k)];
        const auto result =
            Removes(step) ? ApplyAndWait(**store, KeyOf(k), testing::RemoveIt())
                          : testing::PutAndWait(**store, KeyOf(k), step, std::string(3000, 'x'));
        if (!result) _exit(2);
        const Report report{k, step, std::to_underlying((*result)->revision())};
        if (write(pipe, &report, sizeof report) != sizeof report) _exit(3);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  _exit(4);
}

TEST(Crash, KillsLoseNothingAcknowledged) {
  testing::TempDir directory;
  const std::string path = directory.File("store.db");
  base::SeededRandom random(9);
  std::vector<std::int32_t> steps(kKeys, 0);  // the step each key is known to be at
  std::uint64_t last_revision = 0;
  std::size_t reported = 0;

  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    SCOPED_TRACE(kill_number);
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(fds[0]);
      WriteUntilKilled(path, steps, fds[1]);
    }
    close(fds[1]);

    // Kills after a random number of reports, then reads on: what was reported before counts.
    const auto kill_after = 1 + random.Below(200);
    const std::uint64_t before = last_revision;
    std::uint64_t count = 0;
    Report report;
    while (read(fds[0], &report, sizeof report) == sizeof report) {
      EXPECT_GT(report.revision, before) << "a revision was used again";
      auto& step = steps[static_cast<std::size_t>(report.key)];
      EXPECT_EQ(report.step, step + 1);
      step = report.step;
      last_revision = std::max(last_revision, report.revision);
      if (++count == kill_after) kill(child, SIGKILL);
    }
    close(fds[0]);
    reported += count;
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);

    auto store = SqliteStore::Open(path, {});
    ASSERT_TRUE(store) << store.error().ToString();
    EXPECT_GE(std::to_underlying((*store)->revision()), last_revision);
    last_revision = std::to_underlying((*store)->revision());
    for (int k = 0; k < kKeys; ++k) {
      // Of each client one write may have been durable but not reported.
      auto& step = steps[static_cast<std::size_t>(k)];
      const std::int64_t found = NOf((*store)->Get(KeyOf(k)));
      const auto shows = [&](std::int32_t s) { return found == (s == 0 || Removes(s) ? -1 : s); };
      ASSERT_TRUE(shows(step) || shows(step + 1))
          << "key " << k << " was acknowledged at step " << step << ", found " << found;
      if (!shows(step)) ++step;
    }
  }
  EXPECT_GE(reported, static_cast<std::size_t>(kKills));
}

}  // namespace
}  // namespace enclave::cluster
