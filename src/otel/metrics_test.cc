#include "otel/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/simulated_executor.h"
#include "opentelemetry/metrics.pb.h"
#include "otel/otlp.h"
#include "otel/runtime_metrics.h"
#include "otel/tracer.h"

namespace enclave::otel {
namespace {

namespace metrics_v1 = opentelemetry::proto::metrics::v1;
using ::testing::ElementsAre;

class MetricsTest : public ::testing::Test {
 protected:
  metrics_v1::Metric Collected(const std::string& name) {
    metrics_v1::ScopeMetrics scope;
    meter_.Collect(scope);
    for (const auto& metric : scope.metrics())
      if (metric.name() == name) return metric;
    return {};
  }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  Tracer tracer_{executor_, random_, [](const EndedSpan&) {}};
  Meter meter_{executor_};
};

TEST_F(MetricsTest, CountersAreCumulativeByAttributes) {
  Counter& counter = meter_.CreateCounter({"orders", "{order}", "Orders"});
  counter.Add(1, {{"a", "x"}, {"b", std::int64_t{1}}});
  counter.Add(2, {{"b", std::int64_t{1}}, {"a", "x"}});  // the same, in another order
  counter.Add(5, {{"a", "y"}});
  counter.Add(-1, {{"a", "y"}});
  const metrics_v1::Metric metric = Collected("orders");
  EXPECT_TRUE(metric.sum().is_monotonic());
  EXPECT_EQ(metric.sum().aggregation_temporality(), metrics_v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  std::vector<double> values;
  for (const auto& point : metric.sum().data_points()) values.push_back(point.as_double());
  EXPECT_THAT(values, ::testing::UnorderedElementsAre(3, 5));
  EXPECT_EQ(Collected("orders").sum().data_points_size(), 2);
}

TEST_F(MetricsTest, UpDownCountersGoDown) {
  Counter& counter = meter_.CreateUpDownCounter({"active"});
  counter.Add(3);
  counter.Add(-2);
  EXPECT_FALSE(Collected("active").sum().is_monotonic());
  EXPECT_EQ(Collected("active").sum().data_points(0).as_double(), 1);
}

TEST_F(MetricsTest, BucketsHoldTheirUpperBound) {
  Histogram& histogram = meter_.CreateHistogram({"wait", "s"}, {1, 2});
  for (const double value : {0.5, 1.0, 1.5, 2.0, 9.0}) histogram.Record(value);
  const auto point = Collected("wait").histogram().data_points(0);
  EXPECT_THAT(point.bucket_counts(), ElementsAre(2, 2, 1));
  EXPECT_THAT(point.explicit_bounds(), ElementsAre(1, 2));
  EXPECT_EQ(point.count(), 5u);
  EXPECT_EQ(point.sum(), 14);
  EXPECT_EQ(point.min(), 0.5);
  EXPECT_EQ(point.max(), 9);
}

TEST_F(MetricsTest, ExemplarsCarryTheCurrentTraceOnce) {
  Histogram& histogram = meter_.CreateHistogram({"wait", "s"}, {1, 2});
  histogram.Record(0.1);  // of no trace
  std::string trace_id;
  {
    ScopedSpan span(tracer_, "work");
    trace_id = IdBytes(span->context()->trace_id);
    histogram.Record(1.5);
  }
  const auto point = Collected("wait").histogram().data_points(0);
  ASSERT_EQ(point.exemplars_size(), 1);
  EXPECT_EQ(point.exemplars(0).trace_id(), trace_id);
  EXPECT_EQ(point.exemplars(0).as_double(), 1.5);
  EXPECT_EQ(Collected("wait").histogram().data_points(0).exemplars_size(), 0);
}

TEST_F(MetricsTest, PointsAreBounded) {
  Counter& counter = meter_.CreateCounter({"many"});
  for (std::size_t i = 0; i < kMaxPoints + 10; ++i)
    counter.Add(1, {{"id", static_cast<std::int64_t>(i)}});
  const metrics_v1::Metric metric = Collected("many");
  EXPECT_EQ(metric.sum().data_points_size(), static_cast<int>(kMaxPoints) + 1);
  double over = 0;
  for (const auto& point : metric.sum().data_points())
    if (point.attributes(0).key() == "otel.metric.overflow") over = point.as_double();
  EXPECT_EQ(over, 10);
}

TEST_F(MetricsTest, InstrumentsWithoutPointsAreLeftOut) {
  meter_.CreateCounter({"unused"});
  meter_.CreateHistogram({"unused too"});
  metrics_v1::ScopeMetrics scope;
  meter_.Collect(scope);
  EXPECT_EQ(scope.metrics_size(), 0);
}

TEST_F(MetricsTest, TheProcessIsObserved) {
  ObserveProcess(meter_, executor_);
  EXPECT_GT(Collected("process.memory.usage").gauge().data_points(0).as_double(), 1e6);
  EXPECT_GE(Collected("process.thread.count").gauge().data_points(0).as_double(), 1);
  EXPECT_GE(Collected("process.open_file_descriptor.count").gauge().data_points(0).as_double(), 3);
  EXPECT_EQ(Collected("process.cpu.time").sum().data_points_size(), 2);
  executor_.RunFor(std::chrono::seconds(7));
  EXPECT_EQ(Collected("process.uptime").gauge().data_points(0).as_double(), 7);
}

TEST(ProcessStatTest, ReadsALineOfTheKernel) {
  const auto stat = ParseProcessStat(
      "42 (a ) b) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 7 0 100 8192000 500 184467", 100,
      4096);
  ASSERT_TRUE(stat);
  EXPECT_EQ(*stat, (ProcessStat{.user_s = 2.5,
                                .system_s = 0.5,
                                .threads = 7,
                                .virtual_bytes = 8192000,
                                .resident_bytes = 500 * 4096}));
  EXPECT_FALSE(ParseProcessStat("42 (a) S 1 2", 100, 4096));
  EXPECT_FALSE(ParseProcessStat("", 100, 4096));
}

}  // namespace
}  // namespace enclave::otel
