// kill -9 at random moments: a process of its own writes and reports through a pipe what was
// acknowledged; the test kills it, opens the store, and counts: nothing that was reported is
// missing, nothing is there that was not written, and every time is there once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <set>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "observatory/store/test_support.h"

namespace enclave::observatory::store {
namespace {

using telemetry::Labels;

constexpr int kWriters = 3;
constexpr int kSeriesPerWriter = 4;
constexpr int kSeries = kWriters * kSeriesPerWriter;
constexpr int kKills = 10;
constexpr std::int64_t kStepMs = 60'000;  // a window in 120 samples
constexpr const char* kChildArgument = "ENCLAVE_STORE_CRASH_CHILD";

struct Report {
  std::int32_t series;
  std::int32_t step;
};

Labels LabelsOfSeries(int series) {
  return {{"__name__", "crash"}, {"series", std::to_string(series)}};
}

StoreOptions CrashOptions(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.retention.age = base::Duration::zero();
  options.journal_bytes = 4000;  // so that a kill falls into a checkpoint now and then
  options.min_free_bytes = 0;
  return options;
}

// Runs in the process that is killed; what it needs comes through the environment:
// DIRECTORY:PIPE:STEP,STEP,...
TEST(StoreCrashChild, DISABLED_WritesUntilItIsKilled) {
  const char* const argument = std::getenv(kChildArgument);
  ASSERT_NE(argument, nullptr) << "only StoreCrash runs this";
  const std::string text = argument;
  const std::size_t first = text.find(':');
  const std::size_t second = text.find(':', first + 1);
  const int pipe = std::stoi(text.substr(first + 1));
  std::vector<std::int32_t> steps;
  for (std::size_t at = second; at != std::string::npos; at = text.find(',', at + 1))
    steps.push_back(std::stoi(text.substr(at + 1)));
  ASSERT_EQ(steps.size(), static_cast<std::size_t>(kSeries));

  auto store = Store::Open(CrashOptions(text.substr(0, first)), base::SystemClock());
  if (!store) _exit(1);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0;; ++i) {
        const int series = writer * kSeriesPerWriter + i % kSeriesPerWriter;
        const std::int32_t step = ++steps[static_cast<std::size_t>(series)];
        telemetry::Batch batch;
        // Every seventh sample comes late, with the one after it.
        std::vector<telemetry::Sample> samples = {{step * kStepMs, 1. * step}};
        if (step % 7 == 0) samples.clear();
        if (step % 7 == 1 && step > 1) samples.push_back({(step - 1) * kStepMs, 1. * (step - 1)});
        AddSeries(batch, LabelsOfSeries(series), samples);
        const auto refused = (*store)->sink().Write(std::move(batch));
        if (!refused || refused->any()) _exit(2);
        const Report report{series, step};
        if (write(pipe, &report, sizeof report) != sizeof report) _exit(3);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

pid_t StartChild(const std::string& directory, const std::vector<std::int32_t>& steps, int pipe) {
  std::string argument = directory + ":" + std::to_string(pipe) + ":";
  for (std::size_t i = 0; i < steps.size(); ++i)
    argument += (i == 0 ? "" : ",") + std::to_string(steps[i]);
  const std::string variable = std::string(kChildArgument) + "=" + argument;
  const char* const arguments[] = {"store_test",
                                   "--gtest_filter=StoreCrashChild.DISABLED_WritesUntilItIsKilled",
                                   "--gtest_also_run_disabled_tests", nullptr};
  const char* const environment[] = {variable.c_str(), nullptr};
  const pid_t child = fork();
  if (child == 0) {
    // A new image: a fork alone would not have the threads of RocksDB.
    execve("/proc/self/exe", const_cast<char* const*>(arguments),
           const_cast<char* const*>(environment));
    _exit(9);
  }
  return child;
}

TEST(StoreCrash, KillsLoseNothingAcknowledgedAndDoubleNothing) {
  const TemporaryDirectory directory;
  base::SeededRandom random(17);
  std::vector<std::int32_t> steps(kSeries, 0);  // the step that each series is known to be at
  std::size_t reported = 0;
  for (int kills = 0; kills < kKills; ++kills) {
    SCOPED_TRACE(kills);
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    const pid_t child = StartChild(directory.path(), steps, fds[1]);
    ASSERT_GT(child, 0);
    close(fds[1]);
    const std::uint64_t kill_after = 1 + random.Below(400);
    std::uint64_t count = 0;
    Report report{};
    while (read(fds[0], &report, sizeof report) == sizeof report) {
      std::int32_t& step = steps[static_cast<std::size_t>(report.series)];
      EXPECT_EQ(report.step, step + 1);
      step = report.step;
      if (++count == kill_after) kill(child, SIGKILL);
    }
    close(fds[0]);
    reported += count;
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);

    StoreOptions options = CrashOptions(directory.path());
    options.background = false;
    auto store = OpenStore(options, base::SystemClock());
    ASSERT_TRUE(store);
    const Found found = ReadSamples(*store, {telemetry::Matcher::Equal("__name__", "crash")});
    for (int series = 0; series < kSeries; ++series) {
      std::int32_t& step = steps[static_cast<std::size_t>(series)];
      const auto at = found.find(LabelsOfSeries(series));
      std::set<std::int32_t> there;
      if (at != found.end()) {
        for (const auto& [time, value] : at->second) {
          EXPECT_EQ(static_cast<double>(time), value * kStepMs);
          EXPECT_TRUE(there.insert(static_cast<std::int32_t>(value)).second);
        }
      }
      // One write may have been durable and not reported.
      const bool one_more = there.contains(step + 1);
      for (std::int32_t i = 1; i <= step; ++i)
        if (i % 7 != 0 || i < step || one_more)
          ASSERT_TRUE(there.contains(i))
              << "series " << series << " lost step " << i << " of " << step;
      for (const std::int32_t i : there) ASSERT_LE(i, step + 1) << "series " << series;
      if (one_more) ++step;
    }
  }
  EXPECT_GE(reported, static_cast<std::size_t>(kKills));
}

}  // namespace
}  // namespace enclave::observatory::store
