#include "evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "api_fixture.h"

namespace enclave::observatory::api {
namespace {

using nlohmann::json;

const char* const kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

telemetry::Span SpanOf(const char* service, const char* span, const char* parent, bool failed) {
  telemetry::Span made{.trace_id = TraceIdOf(kTrace),
                       .span_id = SpanIdOf(span),
                       .name = std::string("op of ") + service,
                       .start_ns = kStart,
                       .end_ns = kStart + kSecond,
                       .resource = {{"service.name", std::string(service)},
                                    {"k8s.pod.name", std::string(service) + "-7d4-x1"}}};
  if (parent != nullptr) made.parent_id = SpanIdOf(parent);
  if (failed) made.status = telemetry::SpanStatus::kError;
  return made;
}

class EvidenceTest : public ApiTest {
 protected:
  EvidenceTest() {
    traces_.spans = {SpanOf("frontend", "00000000000000a1", nullptr, false),
                     SpanOf("checkout", "00000000000000b2", "00000000000000a1", false),
                     SpanOf("payment", "00000000000000c3", "00000000000000b2", true)};
    logs_.records = {
        {{{"app", "payment"}}, {.time_ns = kStart - kSecond, .line = "warming up"}},
        {{{"service_name", "checkout"}},
         {.time_ns = kStart + 1, .line = "placing order", .trace_id = TraceIdOf(kTrace)}},
        {{{"app", "payment"}},
         {.time_ns = kStart + 2, .line = "card declined", .metadata = {{"level", "error"}}}},
        {{{"app", "ads"}}, {.time_ns = kStart + 3, .line = "no part of it: error"}},
        {{{"app", "payment"}}, {.time_ns = kStart + 3600 * kSecond, .line = "much later"}},
    };
    const auto at = [](double value) {
      return std::vector<telemetry::Sample>{{kStart / 1'000'000 - 30'000, value},
                                            {kStart / 1'000'000, value},
                                            {kStart / 1'000'000 + 30'000, value}};
    };
    auto moving = at(5);
    moving[2].value = 50;
    metrics_.series = {
        {{{"__name__", "queue_length"}, {"job", "payment"}}, moving},
        {{{"__name__", "limit"}, {"job", "shop/payment"}}, at(3)},
        {{{"__name__", "latency_bucket"}, {"job", "payment"}, {"le", "1"}}, at(3)},
        {{{"__name__", "container_memory"}, {"pod", "checkout-7d4-x1"}}, at(1)},
        {{{"__name__", "queue_length"}, {"job", "ads"}}, moving},
    };
    metrics_.exemplars = {
        {{{"__name__", "latency_bucket"}, {"job", "frontend"}},
         {{.value = 1.5, .time_ms = kStart / 1'000'000, .trace_id = TraceIdOf(kTrace)}}}};
    api_.AddRoutes(&routes_);
  }

  json Ask(const std::string& query) {
    const net::Response response = Get("/api/v1/evidence?" + query);
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse(response.body)["data"];
  }

  FakeMetrics metrics_;
  FakeLogs logs_;
  FakeTraces traces_;
  EvidenceApi api_{metrics_, logs_, traces_, clock_};
};

std::vector<std::string> All(const json& items, const char* key) {
  std::vector<std::string> values;
  for (const json& item : items) values.push_back(item[key]);
  return values;
}

TEST_F(EvidenceTest, ATraceWithEverythingAroundIt) {
  const json data = Ask(std::string("trace=") + kTrace);
  EXPECT_EQ(data["trace_id"], kTrace);
  EXPECT_EQ(data["window"]["start_ns"], std::to_string(kStart - 120 * kSecond));

  EXPECT_THAT(All(data["services"], "name"),
              testing::ElementsAre("payment", "checkout", "frontend"))
      << "the one that failed first";
  EXPECT_EQ(data["services"][1]["calls"], json({{"payment", 1}}));
  EXPECT_EQ(data["services"][0]["pods"], json({"payment-7d4-x1"}));

  EXPECT_THAT(All(data["spans"], "service"),
              testing::ElementsAre("payment", "frontend", "checkout"));
  EXPECT_EQ(data["spans"][0]["id"], std::string("span/") + kTrace + "/00000000000000c3");
  EXPECT_EQ(data["spans"][0]["status"], "error");

  EXPECT_THAT(All(data["logs"], "line"),
              testing::ElementsAre("placing order", "card declined", "warming up"))
      << "the trace's own, then the grave, then the rest; not those of others or of later";
  EXPECT_EQ(data["logs"][0]["of_trace"], true);
  EXPECT_EQ(data["logs"][1]["of_trace"], false);

  ASSERT_EQ(data["exemplars"].size(), 1u);
  EXPECT_EQ(data["exemplars"][0]["value"], "1.5");

  ASSERT_EQ(data["series"].size(), 3u) << data["series"].dump(1);
  EXPECT_EQ(data["series"][0]["labels"]["__name__"], "queue_length") << "what moved comes first";
  EXPECT_DOUBLE_EQ(data["series"][0]["change"].get<double>(), 0.9);
  EXPECT_EQ(data["series"][0]["points"][2], json({1700000030, "50"}));
  EXPECT_EQ(data["omitted"]["spans"], 0);
  EXPECT_FALSE(data.contains("warnings"));
}

TEST_F(EvidenceTest, IdsAreTheSameWheneverOneAsks) {
  const json first = Ask(std::string("trace=") + kTrace);
  const json second = Ask(std::string("trace=") + kTrace + "&margin=90s");
  EXPECT_EQ(All(first["logs"], "id"), All(second["logs"], "id"));
  EXPECT_EQ(All(first["series"], "id"), All(second["series"], "id"));
  std::set<std::string> ids;
  for (const char* list : {"spans", "logs", "exemplars", "series"})
    for (const std::string& id : All(first[list], "id")) ids.insert(id);
  EXPECT_EQ(ids.size(), 10u) << "each has an id of its own";
}

TEST_F(EvidenceTest, AWindowOfOneService) {
  const json data = Ask("start=1699999990&end=1700000010&service=payment");
  EXPECT_FALSE(data.contains("trace_id"));
  EXPECT_THAT(All(data["services"], "name"), testing::ElementsAre("payment"));
  EXPECT_THAT(All(data["spans"], "service"), testing::ElementsAre("payment"));
  EXPECT_THAT(All(data["logs"], "line"), testing::ElementsAre("card declined", "warming up"));
}

TEST_F(EvidenceTest, AWindowOfAll) {
  const json data = Ask("start=1699999990&end=1700000010");
  EXPECT_EQ(data["services"].size(), 3u);
  EXPECT_EQ(data["spans"].size(), 3u);
  EXPECT_EQ(data["spans"][0]["status"], "error");
}

TEST_F(EvidenceTest, ATraceWithoutSpansIsToldByItsLogs) {
  traces_.spans.clear();
  const json data = Ask(std::string("trace=") + kTrace);
  EXPECT_TRUE(data["spans"].empty());
  EXPECT_THAT(All(data["logs"], "line"), testing::ElementsAre("placing order"));
  EXPECT_THAT(All(data["services"], "name"), testing::ElementsAre("checkout"));
  EXPECT_EQ(data["exemplars"].size(), 1u);
}

TEST_F(EvidenceTest, TheAnswerStaysWithinItsSize) {
  for (int i = 0; i < 3000; ++i) {
    telemetry::Span span = SpanOf("frontend", "00000000000000a1", nullptr, false);
    span.span_id = SpanIdOf(fmt::format("{:016x}", i + 1000));
    span.attributes = {{"stack", std::string(9000, 'x')}};
    traces_.spans.push_back(span);
    logs_.records.push_back(
        {{{"app", "frontend"}}, {.time_ns = kStart + i, .line = std::string(300, '"')}});
    metrics_.series.push_back({{{"__name__", fmt::format("m{}", i)}, {"job", "frontend"}},
                               {{kStart / 1'000'000, 1.0 / (i + 1)}}});
  }
  for (const std::size_t bytes :
       {std::size_t{16} << 10, std::size_t{100'000}, std::size_t{1} << 20}) {
    const net::Response response =
        Get(fmt::format("/api/v1/evidence?trace={}&max_bytes={}", kTrace, bytes));
    EXPECT_LE(response.body.size(), bytes);
    EXPECT_GT(response.body.size(), bytes / 4) << "the room is used";
    const json data = json::parse(response.body)["data"];
    EXPECT_GT(data["spans"].size(), 0u);
    EXPECT_GT(data["logs"].size(), 0u);
    EXPECT_GT(data["series"].size(), 0u);
    EXPECT_EQ(data["spans"].size() + data["omitted"]["spans"].get<std::size_t>(), 3003u);
    EXPECT_EQ(data["spans"][0]["service"], "payment") << "the failed one is never left out";
  }
}

TEST_F(EvidenceTest, ASourceThatFailsDoesNotHideTheOthers) {
  metrics_.broken = base::Error(base::ErrorKind::kUnavailable, "the disk is gone");
  const json data = Ask(std::string("trace=") + kTrace);
  EXPECT_EQ(data["spans"].size(), 3u);
  EXPECT_EQ(data["warnings"][0], "series: the disk is gone");
}

TEST_F(EvidenceTest, QuestionsThatAreNone) {
  EXPECT_EQ(Get("/api/v1/evidence").status, 400);
  EXPECT_EQ(Get("/api/v1/evidence?trace=xyz").status, 400);
  EXPECT_EQ(Get("/api/v1/evidence?start=20&end=10").status, 400);
  EXPECT_EQ(Get("/api/v1/evidence?start=never").status, 400);
  EXPECT_EQ(Get("/api/v1/evidence?trace=99999999999999999999999999999999").status, 404);
}

}  // namespace
}  // namespace enclave::observatory::api
