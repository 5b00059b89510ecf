#include "observatory/scrape/pod_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"
#include "kube/time.h"
#include "observatory/scrape/log_line.h"
#include "observatory/scrape/recording_sink.h"

namespace enclave::observatory::scrape {
namespace {

using kube::Json;
using std::chrono::minutes;
using std::chrono::seconds;
using telemetry::Labels;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// Containers that printed lines at times; a follow gives those since its second, then waits.
class FakeTail final : public LogTail {
 public:
  struct Connection {
    LogFollow follow;
    std::function<void(const std::string&)> on_data;
    std::function<void(const base::Result<>&)> on_end;
  };
  struct FakeHandle final : Handle {
    explicit FakeHandle(std::shared_ptr<Connection> kept) : connection(std::move(kept)) {}
    ~FakeHandle() override {
      connection->on_data = nullptr;
      connection->on_end = nullptr;
    }
    std::shared_ptr<Connection> connection;
  };

  explicit FakeTail(base::Executor& executor) : executor_(executor) {}

  std::unique_ptr<Handle> Follow(const LogFollow& follow, base::Executor&,
                                 std::function<void(const std::string&)> on_data,
                                 std::function<void(const base::Result<>&)> on_end) override {
    auto connection =
        std::make_shared<Connection>(Connection{follow, std::move(on_data), std::move(on_end)});
    connections.push_back(connection);
    std::string all;
    for (const auto& [time, line] : printed) {
      const auto second = std::chrono::floor<seconds>(follow.since.value_or(base::WallTime()));
      if (time >= second) all += kube::FormatNanoTime(time) + " " + line + "\n";
    }
    executor_.Post([connection, all] {
      if (connection->on_data && !all.empty()) connection->on_data(all);
    });
    return std::make_unique<FakeHandle>(std::move(connection));
  }

  void Print(base::WallTime time, const std::string& line) {
    printed.emplace_back(time, line);
    for (const auto& connection : connections) {
      if (connection->on_data) connection->on_data(kube::FormatNanoTime(time) + " " + line + "\n");
    }
  }
  void Break(const base::Result<>& result) {
    for (const auto& connection : std::vector(connections)) {
      if (const auto on_end = connection->on_end) on_end(result);
    }
  }
  std::size_t open() const {
    std::size_t count = 0;
    for (const auto& connection : connections) count += connection->on_end != nullptr ? 1 : 0;
    return count;
  }

  std::vector<std::pair<base::WallTime, std::string>> printed;
  std::vector<std::shared_ptr<Connection>> connections;

 private:
  base::Executor& executor_;
};

// A store that knows where one stream ends.
class FakeLogSource final : public telemetry::LogSource {
 public:
  base::Result<> Query(const telemetry::LogQuery& query,
                       const telemetry::LogVisitor& visit) override {
    EXPECT_EQ(query.direction, telemetry::Direction::kBackward);
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (!visit({}, *record)) break;
    }
    return {};
  }
  base::Result<> OfTrace(trace::TraceId, const telemetry::LogVisitor&) override { return {}; }
  base::Result<std::vector<Labels>> Streams(const std::vector<telemetry::Matchers>&,
                                            telemetry::TimeRangeNs, std::size_t) override {
    return std::vector<Labels>();
  }
  base::Result<std::vector<std::string>> StreamLabelNames(telemetry::TimeRangeNs) override {
    return std::vector<std::string>();
  }
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string&,
                                                           telemetry::TimeRangeNs) override {
    return std::vector<std::string>();
  }

  std::vector<telemetry::LogRecord> records;
};

class PodLogsTest : public testing::Test {
 protected:
  void MakePod(const std::string& annotation = "") {
    Json pod = {
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", "cart-1"}, {"namespace", "shop"}, {"labels", {{"app", "cart"}}}}},
        {"spec", {{"nodeName", "n1"}, {"containers", Json::array({{{"name", "server"}}})}}},
        {"status", Status(true, 0)}};
    if (!annotation.empty()) pod["metadata"]["annotations"]["enclave.dev/logs"] = annotation;
    ASSERT_TRUE(api_.Create(kube::kPod, "shop", std::move(pod)));
  }
  static Json Status(bool running, int restarts) {
    return {{"containerStatuses",
             Json::array({{{"name", "server"},
                           {"restartCount", restarts},
                           {"state", {{running ? "running" : "terminated", Json::object()}}}}})}};
  }
  void SetStatus(bool running, int restarts) {
    const auto pod = *api_.Get(kube::kPod, "shop", "cart-1");
    Json changed = pod->json();
    changed["status"] = Status(running, restarts);
    ASSERT_TRUE(api_.Update(kube::kPod, changed, "status"));
    executor_.RunFor(seconds(1));
  }
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const auto& [stream, records] : sink_.streams()) {
      EXPECT_EQ(stream, R"({app="cart", container="server", namespace="shop", node="n1", )"
                        R"(pod="cart-1"})");
      for (const auto& record : records) lines.push_back(record.line);
    }
    return lines;
  }
  void Start(telemetry::LogSource* source = nullptr) {
    logs_ = std::make_unique<PodLogs>(informers_, tail_, workers_, sink_, source);
    logs_->Start();
    executor_.RunFor(seconds(2));
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  kube::FakeApi api_{executor_, random_};
  kube::SharedInformers informers_{api_, executor_, random_};
  telemetry::InlineWorkers workers_{executor_};
  RecordingSink sink_;
  FakeTail tail_{executor_};
  std::unique_ptr<PodLogs> logs_;
};

TEST_F(PodLogsTest, FollowsWhatIsPrinted) {
  MakePod();
  Start();
  tail_.Print(executor_.WallNow(), "one");
  tail_.Print(executor_.WallNow(), "two");
  executor_.RunFor(seconds(1));
  EXPECT_THAT(Lines(), ElementsAre("one", "two"));
  EXPECT_EQ(sink_.batches(), 1u) << "lines that come together are written together";
}

TEST_F(PodLogsTest, AConnectionThatBreaksLosesAndDoublesNothing) {
  MakePod();
  Start();
  const base::WallTime now = executor_.WallNow();
  tail_.Print(now, "one");
  tail_.Print(now, "two");
  tail_.Break(base::Fail(base::ErrorKind::kUnavailable, "reset"));
  tail_.Print(now, "three of the same time");
  tail_.Print(now + std::chrono::milliseconds(1), "four");
  executor_.RunFor(seconds(5));
  EXPECT_THAT(Lines(), ElementsAre("one", "two", "three of the same time", "four"));
  tail_.Break({});
  executor_.RunFor(seconds(5));
  tail_.Print(executor_.WallNow(), "five");
  executor_.RunFor(seconds(1));
  EXPECT_THAT(Lines(), SizeIs(5));
}

TEST_F(PodLogsTest, WhatIsNotDurableIsWrittenAgain) {
  MakePod();
  Start();
  sink_.FailNext(base::Error(base::ErrorKind::kUnavailable, "disk full"));
  tail_.Print(executor_.WallNow(), "one");
  executor_.RunFor(seconds(5));
  EXPECT_THAT(Lines(), ElementsAre("one"));
}

TEST_F(PodLogsTest, ARestartResumesWhereTheStoreEnds) {
  MakePod();
  const base::WallTime now = executor_.WallNow();
  tail_.printed = {{now, "one"}, {now, "two"}, {now + seconds(1), "three"}};
  FakeLogSource source;
  source.records = {{.time_ns = (now - minutes(1)).time_since_epoch().count(), .line = "zero"},
                    {.time_ns = now.time_since_epoch().count(), .line = "one"}};
  Start(&source);
  EXPECT_THAT(Lines(), ElementsAre("two", "three"));
  EXPECT_EQ(*EndOfStream(source, Labels{}, now), (LogPosition{now.time_since_epoch().count(), 1}));
}

TEST_F(PodLogsTest, APodThatSendsItsOwnIsLeftOut) {
  MakePod("otlp");
  Start();
  EXPECT_THAT(tail_.connections, IsEmpty());
}

TEST_F(PodLogsTest, AnEndedContainerIsReadToItsEndAndARestartedOneAgain) {
  MakePod();
  Start();
  tail_.Print(executor_.WallNow(), "last words");
  SetStatus(false, 0);
  tail_.Break({});
  executor_.RunFor(minutes(1));
  EXPECT_EQ(tail_.open(), 0u) << "nothing more to read";
  SetStatus(true, 1);
  executor_.RunFor(seconds(1));
  EXPECT_EQ(tail_.open(), 1u);
  tail_.Print(executor_.WallNow(), "hello again");
  executor_.RunFor(seconds(1));
  EXPECT_THAT(Lines(), ElementsAre("last words", "hello again"));
  ASSERT_TRUE(api_.Delete(kube::kPod, "shop", "cart-1", {.grace_period_seconds = 0}));
  executor_.RunFor(seconds(1));
  tail_.Break({});
  executor_.RunFor(seconds(1));
  EXPECT_EQ(logs_->followers(), 0u);
}

TEST(LogLineTest, TraceSpanAndLevelInTheirSpellings) {
  const std::string trace_id = "5b8aa5a2d2c872e8321cf37308d69df2";
  const std::string span_id = "051581bf3cb55c13";
  const std::string lines[] = {
      R"({"trace_id":")" + trace_id + R"(","span_id":")" + span_id + R"(","level":"WARNING"})",
      R"({"traceId":")" + trace_id + R"(","spanId":")" + span_id + R"(","severity":"warn"})",
      R"({"msg":"a\"b","TraceID":")" + trace_id + R"(","SpanID":")" + span_id + R"(","lvl":"W"})",
      R"({"trace.id":")" + trace_id + R"(","span.id":")" + span_id + R"(","log.level":"warn"})",
      R"({"trace":{"id":")" + trace_id + R"("},"span":{"id":")" + span_id +
          R"("},"log":{"level":"warn"}})",
      R"({"logging.googleapis.com/trace":"projects/p/traces/)" + trace_id +
          R"(","logging.googleapis.com/spanId":")" + span_id + R"(","level":40})",
      R"({"traceparent":"00-)" + trace_id + "-" + span_id + R"(-01","level":"warn"})",
      "time=now level=warn msg=\"a b\" trace_id=" + trace_id + " span_id=" + span_id,
  };
  for (const std::string& line : lines) {
    const telemetry::LogRecord record = ReadLogLine(5, line);
    EXPECT_EQ(record.line, line);
    ASSERT_TRUE(record.trace_id && record.span_id) << line;
    EXPECT_EQ(record.trace_id->ToString(), trace_id) << line;
    EXPECT_EQ(record.span_id->ToString(), span_id) << line;
    EXPECT_EQ(record.metadata.Get("level"), "warn") << line;
  }
  for (const char* line : {"", "plain text", "{broken", R"({"trace_id":5})", "a=b =c trace_id="}) {
    const telemetry::LogRecord record = ReadLogLine(5, line);
    EXPECT_FALSE(record.trace_id) << line;
    EXPECT_EQ(record.line, line);
  }
}

}  // namespace
}  // namespace enclave::observatory::scrape
