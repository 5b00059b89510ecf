// What scripts cannot say: bounds, cancellation, threads, errors of the source.
#include "observatory/promql/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/simulated_executor.h"
#include "observatory/promql/memory_source.h"
#include "observatory/promql/parser.h"

namespace enclave::observatory::promql {
namespace {

using base::ErrorKind;

class EngineTest : public testing::Test {
 protected:
  // `count` series of counters, a sample each 15 s over an hour.
  void Fill(int count) {
    for (int i = 0; i < count; ++i) {
      const telemetry::Labels labels = {{"__name__", "requests_total"},
                                        {"instance", fmt::format("i{}", i)},
                                        {"job", fmt::format("job{}", i % 7)}};
      for (int k = 0; k <= 240; ++k) source_.Add(labels, k * 15'000, k * (i % 11));
    }
  }
  static ErrorKind KindOf(const base::Result<QueryResult>& result) {
    return result ? ErrorKind::kInternal : result.error().kind();
  }

  MemorySource source_;
};

TEST_F(EngineTest, ResultTypes) {
  Fill(1);
  Engine engine(source_);
  EXPECT_EQ(engine.Instant("1", 0)->type(), "scalar");
  EXPECT_EQ(engine.Instant("'a'", 0)->type(), "string");
  EXPECT_EQ(engine.Instant("requests_total", 0)->type(), "vector");
  EXPECT_EQ(engine.Instant("requests_total[5m]", 0)->type(), "matrix");
  EXPECT_EQ(engine.Range("1", 0, 1000, 1000)->type(), "matrix");
  const auto parsed = Parse("time()");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(std::get<telemetry::Sample>(engine.Instant(**parsed, "time()", 5000)->value).value, 5);
}

TEST_F(EngineTest, Bounds) {
  Fill(20);
  EngineOptions options;
  options.max_samples = 100;
  Engine engine(source_, options);
  EXPECT_EQ(KindOf(engine.Range("requests_total", 0, 1000, 0)), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindOf(engine.Range("requests_total", 1000, 0, 1)), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindOf(engine.Range("1", 0, 11'002, 1)), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindOf(engine.Instant("1", INT64_MAX)), ErrorKind::kInvalidArgument);
  EXPECT_EQ(KindOf(engine.Range("requests_total", 0, 600'000, 60'000)), ErrorKind::kUnprocessable);
  EXPECT_EQ(KindOf(engine.Instant("sum_over_time(vector(1)[100y:1ms])", 0)),
            ErrorKind::kUnprocessable);
  EXPECT_EQ(KindOf(engine.Instant("sum_over_time(requests_total[1h])", 3'600'000)),
            ErrorKind::kUnprocessable);
  // An aggregation keeps its groups only.
  EXPECT_TRUE(engine.Range("sum(requests_total)", 0, 600'000, 60'000));
}

TEST_F(EngineTest, StopsWhenAskedOrLate) {
  Fill(3);
  base::SimulatedExecutor clock;
  EngineOptions options;
  options.timeout = std::chrono::seconds(0);
  Engine engine(source_, options, clock);
  EXPECT_TRUE(engine.Instant("requests_total", 0));  // time stands still
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(KindOf(engine.Instant("requests_total", 0, stop.get_token())), ErrorKind::kCancelled);

  struct Late : base::Clock {
    base::WallTime WallNow() const override { return {}; }
    base::MonoTime Now() const override { return now += std::chrono::seconds(1); }
    mutable base::MonoTime now{};
  } late;
  Engine hurried(source_, {.timeout = std::chrono::seconds(3)}, late);
  EXPECT_TRUE(hurried.Instant("1 + 1", 0));
  EXPECT_EQ(KindOf(hurried.Instant("requests_total", 0)), ErrorKind::kDeadlineExceeded);
}

TEST_F(EngineTest, HelpersChangeNothingButSpeed) {
  Fill(700);
  Engine alone(source_, {.extra_workers = 0});
  Engine helped(source_, {.extra_workers = 3, .concurrent_reads = true});
  for (const char* query :
       {"sum by (job) (rate(requests_total[5m]))", "avg by (job) (requests_total)",
        "count(requests_total > 20)", "max by (job) (requests_total)",
        "min without (instance) (-requests_total)", "stddev(rate(requests_total[2m]))",
        "group by (job) (requests_total)", "absent(requests_total)", "topk(3, requests_total)",
        "requests_total"}) {
    const auto expected = alone.Range(query, 0, 3'600'000, 300'000);
    const auto result = helped.Range(query, 0, 3'600'000, 300'000);
    ASSERT_TRUE(expected && result) << query;
    const auto& a = std::get<RangeMatrix>(expected->value);
    const auto& b = std::get<RangeMatrix>(result->value);
    ASSERT_EQ(a.size(), b.size()) << query;
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].labels, b[i].labels) << query;
      ASSERT_EQ(a[i].samples.size(), b[i].samples.size()) << query;
      for (std::size_t k = 0; k < a[i].samples.size(); ++k)
        EXPECT_NEAR(a[i].samples[k].value, b[i].samples[k].value, 1e-9) << query;
    }
  }
}

TEST_F(EngineTest, ManyCallersAtOnce) {
  Fill(300);
  Engine engine(source_);
  const auto expected = engine.Instant("sum(requests_total)", 600'000);
  ASSERT_TRUE(expected);
  const double sum = std::get<InstantVector>(expected->value).at(0).sample.value;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int k = 0; k < 10; ++k) {
        const auto result = engine.Instant("sum(requests_total)", 600'000);
        ASSERT_TRUE(result);
        EXPECT_EQ(std::get<InstantVector>(result->value).at(0).sample.value, sum);
      }
    });
}

TEST_F(EngineTest, ErrorsOfTheSourceArePassedOn) {
  class Broken : public MemorySource {
   public:
    base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(const telemetry::Matchers&,
                                                               telemetry::TimeRangeMs) override {
      return base::Fail(ErrorKind::kResourceExhausted, "too many series");
    }
  } broken;
  Engine engine(broken);
  const auto result = engine.Instant("sum(rate(x[5m]))", 0);
  EXPECT_EQ(KindOf(result), ErrorKind::kResourceExhausted);
  EXPECT_EQ(result.error().message(), "expanding series: too many series");
}

}  // namespace
}  // namespace enclave::observatory::promql
