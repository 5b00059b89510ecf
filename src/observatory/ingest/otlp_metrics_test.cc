#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/ingest/ingest_testing.h"
#include "observatory/ingest/otlp.h"
#include "observatory/ingest/otlp_testing.h"

namespace enclave::observatory::ingest {
namespace {

using telemetry::Labels;
using telemetry::MetricType;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kTime = 1'700'000'000'123'456'789;
constexpr std::int64_t kTimeMs = 1'700'000'000'123;

class OtlpMetricsTest : public testing::Test {
 protected:
  OtlpMetricsTest() {
    group_ = request_.add_resource_metrics();
    Set(Resource(), "service.name", "cart");
    Set(Resource(), "service.namespace", "shop");
    Set(Resource(), "service.instance.id", "cart-1");
    scope_ = group_->add_scope_metrics();
  }

  KeyValues* Resource() { return group_->mutable_resource()->mutable_attributes(); }
  opentelemetry::proto::metrics::v1::Metric& Metric(const std::string& name,
                                                    const std::string& unit = "") {
    auto& metric = *scope_->add_metrics();
    metric.set_name(name);
    metric.set_unit(unit);
    return metric;
  }
  template <typename Point>
  static Point& Timed(Point* point) {
    point->set_time_unix_nano(kTime);
    return *point;
  }
  auto& Histogram(const std::string& name) {
    auto& histogram = *Metric(name, "s").mutable_histogram();
    histogram.set_aggregation_temporality(
        opentelemetry::proto::metrics::v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
    return Timed(histogram.add_data_points());
  }

  // What is written, read back through the sink.
  Translated Translate() {
    ByteBudget budget(16 << 20);
    ByteBudget::Hold hold(budget);
    auto result = TranslateMetrics(request_, options_, hold);
    EXPECT_TRUE(result) << result.error().message();
    EXPECT_TRUE(sink_.Write(std::move(result->batch)));
    return std::move(*result);
  }

  OtlpOptions options_;
  MetricsRequest request_;
  opentelemetry::proto::metrics::v1::ResourceMetrics* group_;
  opentelemetry::proto::metrics::v1::ScopeMetrics* scope_;
  RecordingSink sink_;
};

TEST_F(OtlpMetricsTest, AMonotonicSumIsACounter) {
  auto& metric = Metric("http.server.requests", "{request}");
  metric.set_description("Requests that were answered.");
  auto& sum = *metric.mutable_sum();
  sum.set_is_monotonic(true);
  sum.set_aggregation_temporality(
      opentelemetry::proto::metrics::v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  auto& point = Timed(sum.add_data_points());
  point.set_as_int(42);
  Set(point.mutable_attributes(), "http.request.method", "GET");
  auto& exemplar = *point.add_exemplars();
  exemplar.set_as_double(1);
  exemplar.set_time_unix_nano(kTime);
  exemplar.set_trace_id(kTraceBytes);
  exemplar.set_span_id(kSpanBytes);
  Set(exemplar.mutable_filtered_attributes(), "user.id", "u1");

  const Translated result = Translate();
  EXPECT_EQ(result.items, 1u);
  const auto* series = sink_.Find(
      R"(http_server_requests_total{http_request_method="GET", instance="cart-1", job="shop/cart"})");
  ASSERT_NE(series, nullptr);
  EXPECT_EQ(series->samples.at(0).time_ms, kTimeMs);
  EXPECT_EQ(series->samples.at(0).value, 42);
  ASSERT_EQ(series->exemplars.size(), 1u);
  EXPECT_EQ(series->exemplars[0].trace_id->ToString(), kTraceHex);
  EXPECT_EQ(series->exemplars[0].span_id->ToString(), kSpanHex);
  EXPECT_EQ(series->exemplars[0].labels, (Labels{{"user_id", "u1"}}));
  EXPECT_EQ(sink_.metadata.at("http_server_requests_total"),
            (telemetry::MetricMetadata{MetricType::kCounter, "Requests that were answered.", ""}));
  EXPECT_EQ(sink_.series.size(), 1u) << "no target_info: the resource says nothing more";
}

TEST_F(OtlpMetricsTest, GaugesAndSumsThatFall) {
  auto& gauge = Timed(Metric("cpu.load", "1").mutable_gauge()->add_data_points());
  gauge.set_as_double(0.25);
  auto& sum = *Metric("queue.length", "{item}").mutable_sum();
  sum.set_aggregation_temporality(
      opentelemetry::proto::metrics::v1::AGGREGATION_TEMPORALITY_CUMULATIVE);
  Timed(sum.add_data_points()).set_as_int(-3);
  auto& stale = Timed(Metric("gone").mutable_gauge()->add_data_points());
  stale.set_flags(1);
  Translate();
  EXPECT_THAT(sink_.Values(R"(cpu_load_ratio{instance="cart-1", job="shop/cart"})"),
              ElementsAre(0.25));
  EXPECT_THAT(sink_.Values(R"(queue_length{instance="cart-1", job="shop/cart"})"), ElementsAre(-3));
  const auto gone = sink_.Values(R"(gone{instance="cart-1", job="shop/cart"})");
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_TRUE(telemetry::IsStale(gone[0])) << "no recorded value is the end of the series";
  EXPECT_EQ(sink_.metadata.at("queue_length").type, MetricType::kGauge);
}

TEST_F(OtlpMetricsTest, HistogramsAreClassicBuckets) {
  auto& point = Histogram("latency");
  for (const double bound : {0.005, 0.1, 1.0, 2.5e10}) point.add_explicit_bounds(bound);
  for (const std::uint64_t count : {1u, 2u, 3u, 0u, 4u}) point.add_bucket_counts(count);
  point.set_count(10);
  point.set_sum(7.5);
  Set(point.mutable_attributes(), "le", "a liar");
  for (const double value : {0.005, 0.5, 9e11}) {
    auto& exemplar = *point.add_exemplars();
    exemplar.set_as_double(value);
    exemplar.set_trace_id(kTraceBytes);
  }
  Translate();
  const auto bucket = [](const std::string& le) {
    return R"(latency_seconds_bucket{instance="cart-1", job="shop/cart", le=")" + le + R"("})";
  };
  EXPECT_THAT(sink_.Values(bucket("0.005")), ElementsAre(1));
  EXPECT_THAT(sink_.Values(bucket("0.1")), ElementsAre(3));
  EXPECT_THAT(sink_.Values(bucket("1")), ElementsAre(6));
  EXPECT_THAT(sink_.Values(bucket("25000000000")), ElementsAre(6));
  EXPECT_THAT(sink_.Values(bucket("+Inf")), ElementsAre(10));
  EXPECT_THAT(sink_.Values(R"(latency_seconds_sum{instance="cart-1", job="shop/cart"})"),
              ElementsAre(7.5));
  EXPECT_THAT(sink_.Values(R"(latency_seconds_count{instance="cart-1", job="shop/cart"})"),
              ElementsAre(10));
  EXPECT_EQ(sink_.Find(bucket("0.005"))->exemplars.size(), 1u) << "bounds are inclusive";
  EXPECT_EQ(sink_.Find(bucket("0.1"))->exemplars.size(), 0u);
  EXPECT_EQ(sink_.Find(bucket("1"))->exemplars.size(), 1u);
  EXPECT_EQ(sink_.Find(bucket("+Inf"))->exemplars.size(), 1u);
  EXPECT_EQ(sink_.metadata.at("latency_seconds").type, MetricType::kHistogram);
  EXPECT_EQ(sink_.metadata.at("latency_seconds").unit, "seconds");
  EXPECT_EQ(sink_.series.size(), 7u);
}

TEST_F(OtlpMetricsTest, HistogramsWithInfiniteOrNoBounds) {
  auto& infinite = Histogram("infinite");
  infinite.add_explicit_bounds(-INFINITY);
  infinite.add_explicit_bounds(1);
  infinite.add_explicit_bounds(INFINITY);
  for (const std::uint64_t count : {0u, 2u, 1u, 0u}) infinite.add_bucket_counts(count);
  infinite.set_count(3);
  infinite.add_exemplars()->set_as_double(0.5);
  infinite.add_exemplars()->set_as_double(5);
  auto& none = Histogram("none");
  none.set_count(4);
  const Translated result = Translate();
  EXPECT_EQ(result.refused.count, 0u);
  const std::string tail = R"({instance="cart-1", job="shop/cart", le=")";
  EXPECT_THAT(sink_.Values("infinite_seconds_bucket" + tail + "1\"}"), ElementsAre(2));
  EXPECT_THAT(sink_.Values("infinite_seconds_bucket" + tail + "+Inf\"}"), ElementsAre(3));
  EXPECT_EQ(sink_.Find("infinite_seconds_bucket" + tail + "1\"}")->exemplars.size(), 1u);
  EXPECT_EQ(sink_.Find("infinite_seconds_bucket" + tail + "+Inf\"}")->exemplars.size(), 1u);
  EXPECT_THAT(sink_.Values("none_seconds_bucket" + tail + "+Inf\"}"), ElementsAre(4));
  EXPECT_EQ(sink_.Find(R"(none_seconds_sum{instance="cart-1", job="shop/cart"})"), nullptr)
      << "no sum was sent";
}

TEST_F(OtlpMetricsTest, HistogramsThatContradictThemselvesAreRefused) {
  auto& few = Histogram("few");
  few.add_explicit_bounds(1);
  few.add_bucket_counts(1);
  auto& falling = Histogram("falling");
  falling.add_explicit_bounds(2);
  falling.add_explicit_bounds(1);
  for (int i = 0; i < 3; ++i) falling.add_bucket_counts(1);
  const Translated result = Translate();
  EXPECT_EQ(result.items, 2u);
  EXPECT_EQ(result.refused.count, 2u);
  EXPECT_EQ(result.refused.why,
            "metric \"few\": a histogram has to have one bucket more than bounds");
  EXPECT_TRUE(sink_.series.empty());
}

TEST_F(OtlpMetricsTest, SummariesHaveQuantiles) {
  auto& point = Timed(Metric("size", "By").mutable_summary()->add_data_points());
  point.set_count(2);
  point.set_sum(30);
  point.add_quantile_values()->set_quantile(0.99);
  point.mutable_quantile_values(0)->set_value(20);
  Translate();
  EXPECT_THAT(sink_.Values(R"(size_bytes{instance="cart-1", job="shop/cart", quantile="0.99"})"),
              ElementsAre(20));
  EXPECT_THAT(sink_.Values(R"(size_bytes_sum{instance="cart-1", job="shop/cart"})"),
              ElementsAre(30));
  EXPECT_THAT(sink_.Values(R"(size_bytes_count{instance="cart-1", job="shop/cart"})"),
              ElementsAre(2));
  EXPECT_EQ(sink_.metadata.at("size_bytes").type, MetricType::kSummary);
}

TEST_F(OtlpMetricsTest, TheResourceIsTargetInfo) {
  Set(Resource(), "k8s.pod.name", "cart-1");
  Set(Resource(), "host.arch", "amd64");
  Timed(Metric("up").mutable_gauge()->add_data_points()).set_as_int(1);
  Translate();
  EXPECT_THAT(sink_.Values(R"(target_info{host_arch="amd64", instance="cart-1", )"
                           R"(job="shop/cart", k8s_pod_name="cart-1"})"),
              ElementsAre(1));
  EXPECT_EQ(sink_.Find(R"(up{instance="cart-1", job="shop/cart"})")->samples.size(), 1u)
      << "resource attributes are no labels of the series";
}

TEST_F(OtlpMetricsTest, KeysThatBecomeTheSameAreJoined) {
  auto& point = Timed(Metric("m").mutable_gauge()->add_data_points());
  Set(point.mutable_attributes(), "b_c", "2");
  Set(point.mutable_attributes(), "a", "0");
  Set(point.mutable_attributes(), "b.c", "1");
  Set(point.mutable_attributes(), "job", "an attribute does not overrule the resource");
  Set(point.mutable_attributes(), "empty", "");
  Set(point.mutable_attributes(), "...", "no name");
  Translate();
  EXPECT_EQ(sink_.series.at(0).labels.ToString(),
            R"(m{a="0", b_c="1;2", instance="cart-1", job="shop/cart"})");
}

TEST_F(OtlpMetricsTest, ScopesAreLabelsWhereAskedFor) {
  scope_->mutable_scope()->set_name("lib");
  scope_->mutable_scope()->set_version("2");
  Set(scope_->mutable_scope()->mutable_attributes(), "build.id", "7");
  Timed(Metric("m").mutable_gauge()->add_data_points());
  Translate();
  EXPECT_FALSE(sink_.series.at(0).labels.Has("otel_scope_name"));
  options_.scope_labels = true;
  Translate();
  EXPECT_EQ(sink_.series.at(1).labels.ToString(),
            R"(m{instance="cart-1", job="shop/cart", otel_scope_build_id="7", )"
            R"(otel_scope_name="lib", otel_scope_version="2"})");
}

TEST_F(OtlpMetricsTest, WhatIsNotKeptIsRefusedByName) {
  auto& delta = *Metric("delta.sum").mutable_sum();
  delta.set_aggregation_temporality(
      opentelemetry::proto::metrics::v1::AGGREGATION_TEMPORALITY_DELTA);
  Timed(delta.add_data_points());
  Timed(delta.add_data_points());
  Timed(Metric("exponential").mutable_exponential_histogram()->add_data_points());
  Timed(Metric("unset").mutable_sum()->add_data_points());
  Metric("timeless").mutable_gauge()->add_data_points();
  Timed(Metric("...").mutable_gauge()->add_data_points());
  Timed(Metric("good").mutable_gauge()->add_data_points());
  const Translated result = Translate();
  EXPECT_EQ(result.items, 7u);
  EXPECT_EQ(result.refused.count, 6u);
  EXPECT_THAT(result.refused.why, HasSubstr("metric \"delta.sum\": delta temporality"));
  EXPECT_EQ(sink_.series.size(), 1u);
}

}  // namespace
}  // namespace enclave::observatory::ingest
