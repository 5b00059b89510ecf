// kill -9 at random moments, for logs and spans: a process of its own writes batches and reports
// through a pipe which were acknowledged; the test kills it, opens the store, and counts: nothing
// that was reported is missing, every record and span is there once, and each batch as a whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <map>

#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "observatory/store/test_support.h"

namespace enclave::observatory::store {
namespace {

constexpr int kLogKills = 12;
constexpr std::size_t kRecordsOfBatch = 6;  // in two streams
constexpr const char* kLogChildArgument = "ENCLAVE_LOG_CRASH_CHILD";
constexpr std::int64_t kCrashStartNs = 1'700'000'000LL * 1'000'000'000;

StoreOptions LogCrashOptions(const std::string& directory) {
  StoreOptions options;
  options.directory = directory;
  options.retention.age = base::Duration::zero();
  options.journal_bytes = 100'000;  // so that a kill falls into a checkpoint now and then
  options.min_free_bytes = 0;
  return options;
}

telemetry::Batch CrashBatch(int number) {
  base::SeededRandom random(static_cast<std::uint64_t>(number));
  const trace::TraceId trace = trace::TraceId::Make(random);
  telemetry::Batch batch;
  batch.streams.resize(2);
  for (std::size_t i = 0; i < kRecordsOfBatch; ++i) {
    telemetry::StreamWrite& stream = batch.streams[i % 2];
    stream.labels = {{"app", i % 2 == 0 ? "even" : "odd"}};
    telemetry::LogRecord record;
    record.time_ns = kCrashStartNs + number * 1'000'000'000LL;
    // Long, so that blocks are sealed all the time.
    record.line = std::to_string(number) + ":" + std::to_string(i) + " " +
                  random.Text("abcdefghijklmnop", 20'000);
    record.trace_id = trace;
    stream.records.push_back(std::move(record));
  }
  telemetry::Span span{.trace_id = trace, .span_id = trace::SpanId::Make(random)};
  span.name = std::to_string(number);
  span.start_ns = kCrashStartNs + number * 1'000'000'000LL;
  span.end_ns = span.start_ns + 1;
  batch.spans.push_back(std::move(span));
  return batch;
}

// Runs in the process that is killed; its environment says DIRECTORY:PIPE:FIRST BATCH.
TEST(LogCrashChild, DISABLED_WritesUntilItIsKilled) {
  const char* const argument = std::getenv(kLogChildArgument);
  ASSERT_NE(argument, nullptr) << "only LogCrash runs this";
  const std::string text = argument;
  const std::size_t first = text.find(':');
  const std::size_t second = text.find(':', first + 1);
  const int pipe = std::stoi(text.substr(first + 1));
  auto store = Store::Open(LogCrashOptions(text.substr(0, first)), base::SystemClock());
  if (!store) _exit(1);
  for (int number = std::stoi(text.substr(second + 1));; ++number) {
    const auto refused = (*store)->sink().Write(CrashBatch(number));
    if (!refused || refused->any()) _exit(2);
    if (write(pipe, &number, sizeof number) != sizeof number) _exit(3);
  }
}

pid_t StartLogChild(const std::string& directory, int pipe, int first) {
  const std::string variable = std::string(kLogChildArgument) + "=" + directory + ":" +
                               std::to_string(pipe) + ":" + std::to_string(first);
  const char* const arguments[] = {"store_test",
                                   "--gtest_filter=LogCrashChild.DISABLED_WritesUntilItIsKilled",
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

// Batches that are there, after a look at every record and span of them.
int CountBatches(Store& store) {
  std::map<int, std::size_t> records;
  EXPECT_TRUE(store.logs().Query({.matchers = {}, .range = {0, INT64_MAX}},
                                 [&](const telemetry::Labels&, const telemetry::LogRecord& record) {
                                   ++records[std::stoi(record.line)];
                                   return true;
                                 }));
  const auto spans = store.traces().FindSpans({.range = {0, INT64_MAX}, .limit = 100'000});
  EXPECT_TRUE(spans);
  EXPECT_EQ(spans->size(), records.size());
  int expected = 0;
  for (const auto& [number, count] : records) {
    EXPECT_EQ(number, expected++) << "no batch in between is missing";
    EXPECT_EQ(count, kRecordsOfBatch);
    if (number % 7 != 0) continue;
    const telemetry::Batch batch = CrashBatch(number);
    std::size_t of_trace = 0;
    EXPECT_TRUE(store.logs().OfTrace(batch.spans[0].trace_id, [&](const auto&, const auto&) {
      ++of_trace;
      return true;
    }));
    EXPECT_EQ(of_trace, kRecordsOfBatch);
    EXPECT_EQ(store.traces().Trace(batch.spans[0].trace_id)->size(), 1u);
  }
  return expected;
}

TEST(LogCrash, KillsLoseNothingAcknowledgedAndDoubleNothing) {
  const TemporaryDirectory directory;
  base::SeededRandom random(23);
  int written = 0;
  for (int kills = 0; kills < kLogKills; ++kills) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = StartLogChild(directory.path(), ends[1], written);
    ASSERT_GT(child, 0);
    close(ends[1]);
    int acknowledged = written - 1;
    int number = 0;
    std::uint64_t wanted = 1 + random.Below(25);
    bool killed = false;
    while (read(ends[0], &number, sizeof number) == sizeof number) {
      acknowledged = number;
      if (--wanted > 0 || killed) continue;
      kill(child, SIGKILL);
      killed = true;
      wanted = UINT64_MAX;
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it wrote until it was killed";
    auto store = OpenStore(LogCrashOptions(directory.path()), base::SystemClock());
    ASSERT_TRUE(store);
    written = CountBatches(*store);
    EXPECT_GE(written, acknowledged + 1) << "what was acknowledged is there";
    EXPECT_LE(written, acknowledged + 2) << "at most one more was under way";
  }
}

}  // namespace
}  // namespace enclave::observatory::store
