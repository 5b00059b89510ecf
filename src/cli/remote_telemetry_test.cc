// What is written to an observatory is read back as it was by the clients of telemetry/remote, over
// real sockets.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/observatory.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "telemetry/remote/remote.h"

namespace enclave::cli {
namespace {

using nlohmann::json;
namespace remote = telemetry::remote;

constexpr std::int64_t kSecond = 1'000'000'000;

std::string RemoteTraceId(int number) {
  return fmt::format("{:032x}", number + 1);
}

class RemoteTelemetryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "remote-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    auto started = Observatory::Start({.state = directory_, .http = "127.0.0.1:0"});
    ASSERT_TRUE(started) << started.error().message();
    observatory_ = std::move(*started);
    http_ = std::move(*net::HttpClient::Create(loop_, {.base_url = observatory_->http_url()}));
    now_ns_ = base::SystemClock().WallNow().time_since_epoch().count() / kSecond * kSecond;
  }
  void TearDown() override {
    observatory_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Post(const std::string& target, const json& body) {
    const auto response = http_->SendAndWait({.method = "POST",
                                              .target = target,
                                              .headers = {{"Content-Type", "application/json"}},
                                              .body = body.dump()});
    ASSERT_TRUE(response) << response.error().message();
    ASSERT_LT(response->status, 300) << response->body;
  }
  // Two spans each, one second after the other.
  void PostTraces(int count) {
    json spans = json::array();
    for (int i = 0; i < count; ++i) {
      const std::int64_t start = now_ns_ - kSecond * (i % 60);
      for (int child = 0; child < 2; ++child) {
        json span = {{"traceId", RemoteTraceId(i)},
                     {"spanId", fmt::format("{:016x}", 2 * i + child + 1)},
                     {"name", child == 0 ? "GET /cart" : "AddItem"},
                     {"kind", child == 0 ? 2 : 3},
                     {"startTimeUnixNano", std::to_string(start + child)},
                     {"endTimeUnixNano", std::to_string(start + 2'000'000)},
                     {"attributes",
                      json::array({{{"key", "code.lineno"}, {"value", {{"intValue", "42"}}}}})}};
        if (child == 1) span["parentSpanId"] = fmt::format("{:016x}", 2 * i + 1);
        if (i % 10 == 0) span["status"] = {{"code", 2}, {"message", "no such product"}};
        spans.push_back(std::move(span));
      }
    }
    const json resource = {{"attributes", json::array({{{"key", "service.name"},
                                                        {"value", {{"stringValue", "cart"}}}}})}};
    const json scopes = json::array({{{"spans", std::move(spans)}}});
    Post("/v1/traces",
         {{"resourceSpans", json::array({{{"resource", resource}, {"scopeSpans", scopes}}})}});
  }

  net::EventLoop loop_{"remote-test", 2};
  std::string directory_;
  std::unique_ptr<Observatory> observatory_;
  std::unique_ptr<net::HttpClient> http_;
  std::int64_t now_ns_ = 0;
};

TEST_F(RemoteTelemetryTest, LinesOfManyPagesComeOnceAndInOrder) {
  constexpr int kLines = 12'000;
  // A third of them at one time, so that pages end amid lines of equal times.
  json values = json::array();
  for (int i = 0; i < kLines; ++i) {
    const std::int64_t time = now_ns_ - kLines + (i / 3 * 3);
    values.push_back(json::array({std::to_string(time), fmt::format("line {}", i)}));
  }
  Post("/loki/api/v1/push",
       {{"streams", json::array({{{"stream", {{"app", "web"}}}, {"values", std::move(values)}}})}});
  const auto logs = remote::ConnectLoki(loop_, {.url = observatory_->http_url()});
  ASSERT_TRUE(logs) << logs.error().message();
  for (const auto direction : {telemetry::Direction::kForward, telemetry::Direction::kBackward}) {
    std::vector<std::int64_t> times;
    std::vector<std::string> lines;
    const auto read = (*logs)->Query(
        {.matchers = {}, .range = {now_ns_ - kSecond, now_ns_ + 1}, .direction = direction},
        [&](const telemetry::Labels& stream, const telemetry::LogRecord& record) {
          EXPECT_EQ(stream.Get("app"), "web");
          times.push_back(record.time_ns);
          lines.push_back(record.line);
          return true;
        });
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(lines.size(), static_cast<std::size_t>(kLines));
    if (direction == telemetry::Direction::kForward)
      EXPECT_TRUE(std::ranges::is_sorted(times));
    else
      EXPECT_TRUE(std::ranges::is_sorted(times, std::ranges::greater()));
    std::ranges::sort(lines);
    EXPECT_EQ(std::ranges::unique(lines).size(), 0U);
  }
  std::size_t found = 0;
  ASSERT_TRUE((*logs)->Query({.matchers = {telemetry::Matcher::Equal("app", "web")},
                              .range = {now_ns_ - kSecond, now_ns_ + 1},
                              .contains = {"line 1199"}},
                             [&](const auto&, const auto&) { return ++found > 0; }));
  EXPECT_EQ(found, 11U);
}

TEST_F(RemoteTelemetryTest, SpansOfAWindowAreThoseWritten) {
  constexpr int kTraces = 1500;  // more than one search answers
  PostTraces(kTraces);
  const auto traces = remote::ConnectTempo(loop_, {.url = observatory_->http_url()});
  ASSERT_TRUE(traces) << traces.error().message();
  const telemetry::TimeRangeNs range{now_ns_ - 120 * kSecond, now_ns_ + kSecond};
  std::vector<telemetry::Span> spans;
  const auto visited = (*traces)->Visit(range, [&](const telemetry::Span& span) {
    spans.push_back(span);
    return true;
  });
  ASSERT_TRUE(visited) << visited.error().message();
  EXPECT_EQ(spans.size(), 2U * kTraces);
  const auto whole = (*traces)->Trace(*trace::TraceId::Parse(RemoteTraceId(10)));
  ASSERT_TRUE(whole) << whole.error().message();
  ASSERT_EQ(whole->size(), 2U);
  const telemetry::Span& child = whole->back();
  EXPECT_EQ(child.parent_id, whole->front().span_id);
  EXPECT_EQ(child.name, "AddItem");
  EXPECT_EQ(child.kind, telemetry::SpanKind::kClient);
  EXPECT_EQ(child.status, telemetry::SpanStatus::kError);
  EXPECT_EQ(child.status_message, "no such product");
  EXPECT_EQ(telemetry::ServiceName(child.resource), "cart");
  ASSERT_NE(telemetry::Find(child.attributes, "code.lineno"), nullptr);
  EXPECT_EQ(std::get<std::int64_t>(*telemetry::Find(child.attributes, "code.lineno")), 42);
  const auto failed = (*traces)->FindSpans({.range = range,
                                            .service = "cart",
                                            .operation = "AddItem",
                                            .status = telemetry::SpanStatus::kError,
                                            .limit = 1000});
  ASSERT_TRUE(failed) << failed.error().message();
  EXPECT_EQ(failed->size(), kTraces / 10U);
  EXPECT_THAT(*(*traces)->Services(range), testing::ElementsAre("cart"));
  EXPECT_TRUE((*traces)->Trace(*trace::TraceId::Parse(std::string(32, 'f')))->empty());
}

TEST_F(RemoteTelemetryTest, SamplesAreThoseWritten) {
  json points = json::array();
  for (int i = 0; i < 30; ++i)
    points.push_back({{"timeUnixNano", std::to_string(now_ns_ - (30 - i) * kSecond)},
                      {"asDouble", i * 1.5},
                      {"attributes", json::array()}});
  const json gauge = {{"name", "queue"}, {"gauge", {{"dataPoints", points}}}};
  const json scopes = json::array({{{"metrics", json::array({gauge})}}});
  Post("/v1/metrics", {{"resourceMetrics",
                        json::array({{{"resource", json::object()}, {"scopeMetrics", scopes}}})}});
  const auto metrics = remote::ConnectPrometheus(loop_, {.url = observatory_->http_url() + "/"});
  ASSERT_TRUE(metrics) << metrics.error().message();
  const std::int64_t from_ms = (now_ns_ - 30 * kSecond) / 1'000'000;
  const telemetry::TimeRangeMs range{from_ms, now_ns_ / 1'000'000};
  const auto set = (*metrics)->Select({telemetry::Matcher::Equal("__name__", "queue")}, range);
  ASSERT_TRUE(set) << set.error().message();
  ASSERT_EQ((*set)->size(), 1U);
  std::vector<telemetry::Sample> samples;
  ASSERT_TRUE((*set)->Read(0, samples));
  ASSERT_EQ(samples.size(), 30U) << "both ends of the range are in it";
  EXPECT_EQ(samples[0].time_ms, from_ms);
  EXPECT_EQ(samples[3].value, 4.5);
  EXPECT_EQ((*metrics)->Series({}, range, 10)->size(), 1U);
  EXPECT_THAT(*(*metrics)->LabelValues("__name__", {}, range), testing::ElementsAre("queue"));
  const auto refused = (*metrics)->Exemplars({{}}, range);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr(observatory_->http_url()));
}

TEST_F(RemoteTelemetryTest, WhoDoesNotAnswerIsNamed) {
  const auto metrics = remote::ConnectPrometheus(loop_, {.url = "http://127.0.0.1:1"});
  ASSERT_TRUE(metrics);
  const auto answer = (*metrics)->LabelNames({}, {0, 1});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT(answer.error().message(), testing::HasSubstr("http://127.0.0.1:1/api/v1/labels"));
  EXPECT_FALSE(remote::ConnectTempo(loop_, {.url = "tempo:3200"}));
}

}  // namespace
}  // namespace enclave::cli
