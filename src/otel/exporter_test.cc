#include "otel/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "otel/metrics.h"
#include "otel/otlp.h"
#include "otel/telemetry.h"
#include "otel/test_collector.h"

namespace enclave::otel {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

class ExporterTest : public ::testing::Test {
 protected:
  // Nothing leaves by itself: tests flush.
  ExporterOptions Options() const {
    return {.endpoint = collector_.endpoint(),
            .flush_interval = minutes(10),
            .metric_interval = minutes(10),
            .retry = {.base_delay = milliseconds(1),
                      .factor = 1,
                      .max_delay = milliseconds(1),
                      .jitter = 0,
                      .max_attempts = 3}};
  }

  std::unique_ptr<Telemetry> Make(ExporterOptions exporter) {
    auto telemetry = Telemetry::Create(
        loop_, {.service_name = "shop", .exporter = std::move(exporter), .log_fd = -1}, random_);
    EXPECT_TRUE(telemetry) << telemetry.error().ToString();
    return std::move(*telemetry);
  }

  base::SeededRandom random_{1};
  TestCollector collector_;
  net::EventLoop loop_{"otel-test"};
};

TEST_F(ExporterTest, SpansLogsAndMetricsArrive) {
  const auto telemetry = Make(Options());
  {
    ScopedSpan span(telemetry->tracer(), "work", {.kind = SpanKind::kServer});
    span->SetAttribute("answer", std::int64_t{42});
    telemetry->logger().Info("said", {{"k", "v"}});
  }
  telemetry->meter().CreateCounter({"things"}).Add(2);
  ASSERT_TRUE(telemetry->Flush(kLongTime));
  const auto spans = collector_.spans();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].service, "shop");
  EXPECT_EQ(spans[0].span.name(), "work");
  EXPECT_EQ(spans[0].Number("answer"), 42);
  EXPECT_EQ(spans[0].span.kind(), opentelemetry::proto::trace::v1::Span::SPAN_KIND_SERVER);
  ASSERT_EQ(collector_.logs().size(), 1u);
  EXPECT_EQ(collector_.logs()[0].body().string_value(), "said");
  EXPECT_EQ(collector_.logs()[0].severity_number(), 9);
  EXPECT_EQ(collector_.logs()[0].trace_id(), spans[0].span.trace_id());
  std::set<std::string> names;
  for (const auto& metric : collector_.metrics()) names.insert(metric.name());
  EXPECT_TRUE(names.contains("things"));
  EXPECT_TRUE(names.contains("process.cpu.time"));
  EXPECT_EQ(telemetry->exported().spans.exported, 1u);
  EXPECT_EQ(telemetry->exported().logs.exported, 1u);
}

TEST_F(ExporterTest, ItsOwnRequestsAreNotTraced) {
  const auto telemetry = Make(Options());
  {
    ScopedSpan span(telemetry->tracer(), "work");
    ASSERT_TRUE(telemetry->Flush(kLongTime));
  }
  ASSERT_TRUE(telemetry->Flush(kLongTime));
  EXPECT_EQ(collector_.spans().size(), 1u);
  EXPECT_FALSE(collector_.HeadersOf("/v1/metrics", 0).contains("traceparent"));
}

TEST_F(ExporterTest, AnOverloadedReceiverIsAskedAgain) {
  const auto telemetry = Make(Options());
  collector_.AnswerNext("/v1/traces", {.status = 503});
  collector_.AnswerNext("/v1/traces", {.status = 429, .headers = {{"Retry-After", "0"}}});
  telemetry->tracer().StartSpan("work");
  ASSERT_TRUE(telemetry->Flush(kLongTime));
  EXPECT_EQ(collector_.spans().size(), 1u);
  EXPECT_EQ(collector_.Requests("/v1/traces"), 3u);
  EXPECT_EQ(telemetry->exported().spans.retries, 2u);
  EXPECT_EQ(telemetry->exported().spans.failed, 0u);
}

TEST_F(ExporterTest, ABatchIsGivenUpAfterTheLastRetry) {
  const auto telemetry = Make(Options());
  for (int i = 0; i < 4; ++i) collector_.AnswerNext("/v1/traces", {.status = 503});
  telemetry->tracer().StartSpan("lost");
  EXPECT_FALSE(telemetry->Flush(kLongTime));
  EXPECT_EQ(telemetry->exported().spans.failed, 1u);
  EXPECT_EQ(collector_.Requests("/v1/traces"), 4u);
  telemetry->tracer().StartSpan("kept");
  EXPECT_TRUE(telemetry->Flush(kLongTime));
  ASSERT_EQ(collector_.spans().size(), 1u);
  EXPECT_EQ(collector_.spans()[0].span.name(), "kept");
}

TEST_F(ExporterTest, ARefusalIsNotRepeated) {
  const auto telemetry = Make(Options());
  collector_.AnswerNext("/v1/traces", {.status = 400});
  telemetry->tracer().StartSpan("work");
  EXPECT_FALSE(telemetry->Flush(kLongTime));
  EXPECT_EQ(collector_.Requests("/v1/traces"), 1u);
  EXPECT_EQ(telemetry->exported().spans.failed, 1u);
}

TEST_F(ExporterTest, WhatTheReceiverRefusedIsCounted) {
  const auto telemetry = Make(Options());
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse partial;
  partial.mutable_partial_success()->set_rejected_spans(2);
  collector_.AnswerNext("/v1/traces", {.status = 200, .body = partial.SerializeAsString()});
  for (int i = 0; i < 3; ++i) telemetry->tracer().StartSpan("work");
  EXPECT_FALSE(telemetry->Flush(kLongTime));
  EXPECT_EQ(telemetry->exported().spans.exported, 1u);
  EXPECT_EQ(telemetry->exported().spans.failed, 2u);
}

TEST_F(ExporterTest, TheQueueIsBoundedAndNeverWaits) {
  ExporterOptions options = Options();
  options.max_queue = 10;
  options.max_batch = 100;  // never full, so nothing leaves before the flush
  const auto telemetry = Make(options);
  for (int i = 0; i < 25; ++i) telemetry->tracer().StartSpan(std::to_string(i));
  EXPECT_EQ(telemetry->exported().spans.dropped, 15u);
  EXPECT_TRUE(telemetry->Flush(kLongTime));
  ASSERT_EQ(collector_.spans().size(), 10u);
  EXPECT_EQ(collector_.spans().back().span.name(), "9");
}

TEST_F(ExporterTest, LargeQueuesLeaveInBatches) {
  ExporterOptions options = Options();
  options.max_batch = 100;
  const auto telemetry = Make(options);
  for (int i = 0; i < 250; ++i) telemetry->tracer().StartSpan("work");
  EXPECT_TRUE(telemetry->Flush(kLongTime));
  EXPECT_EQ(collector_.spans().size(), 250u);
  EXPECT_GE(collector_.Requests("/v1/traces"), 3u);
}

TEST_F(ExporterTest, ShutdownSendsWhatIsLeftAndTakesNoMore) {
  const auto telemetry = Make(Options());
  telemetry->tracer().StartSpan("last");
  EXPECT_TRUE(telemetry->Shutdown(kLongTime));
  telemetry->tracer().StartSpan("too late");
  EXPECT_TRUE(telemetry->Shutdown(kLongTime));
  ASSERT_EQ(collector_.spans().size(), 1u);
  EXPECT_EQ(telemetry->exported().spans.dropped, 1u);
}

TEST_F(ExporterTest, WithoutAReceiverNothingHangs) {
  ExporterOptions options = Options();
  options.endpoint = "http://127.0.0.1:1";
  const auto telemetry = Make(options);
  telemetry->tracer().StartSpan("work");
  EXPECT_FALSE(telemetry->Flush(kLongTime));
  EXPECT_EQ(telemetry->exported().spans.failed, 1u);
}

TEST_F(ExporterTest, TimersSendByThemselves) {
  ExporterOptions options = Options();
  options.flush_interval = milliseconds(1);
  const auto telemetry = Make(options);
  telemetry->tracer().StartSpan("work");
  EXPECT_TRUE(collector_.WaitForSpans(1));
}

class EnvironmentTest : public ::testing::Test {
 protected:
  base::Result<std::unique_ptr<Telemetry>> Make(std::map<std::string, std::string> variables) {
    return Telemetry::FromEnvironment(
        loop_, {.service_name = "cartservice", .service_version = "v1", .log_fd = -1},
        [variables](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          return found == variables.end() ? std::nullopt : std::optional(found->second);
        });
  }
  static std::string Attribute(const Telemetry& telemetry, std::string_view key) {
    const auto* value = telemetry::Find(telemetry.resource(), key);
    return value == nullptr ? "" : telemetry::ToText(*value);
  }
  net::EventLoop loop_{"otel-test"};
};

TEST_F(EnvironmentTest, TheResourceComesFromTheEnvironment) {
  const auto telemetry =
      Make({{"POD_NAME", "cart-1"},
            {"POD_NAMESPACE", "boutique"},
            {"OTEL_RESOURCE_ATTRIBUTES", "team=shop%20floor, service.version=v7"}});
  ASSERT_TRUE(telemetry);
  EXPECT_EQ((*telemetry)->service_name(), "cartservice");
  EXPECT_EQ(Attribute(**telemetry, "service.name"), "cartservice");
  EXPECT_EQ(Attribute(**telemetry, "service.version"), "v7");
  EXPECT_EQ(Attribute(**telemetry, "service.instance.id"), "cart-1");
  EXPECT_EQ(Attribute(**telemetry, "k8s.pod.name"), "cart-1");
  EXPECT_EQ(Attribute(**telemetry, "k8s.namespace.name"), "boutique");
  EXPECT_EQ(Attribute(**telemetry, "team"), "shop floor");
}

TEST_F(EnvironmentTest, TheServicesNameGoesBeforeTheResource) {
  const auto telemetry =
      Make({{"OTEL_SERVICE_NAME", "mine"}, {"OTEL_RESOURCE_ATTRIBUTES", "service.name=other"}});
  ASSERT_TRUE(telemetry);
  EXPECT_EQ(Attribute(**telemetry, "service.name"), "mine");
  EXPECT_NE(Attribute(**telemetry, "service.instance.id"), "");
}

TEST_F(EnvironmentTest, TheBoutiquesAddressNeedsNoScheme) {
  TestCollector collector;
  const auto telemetry = Make({{"COLLECTOR_SERVICE_ADDR",
                                collector.endpoint().substr(std::string_view("http://").size())}});
  ASSERT_TRUE(telemetry);
  (*telemetry)->tracer().StartSpan("work");
  EXPECT_TRUE((*telemetry)->Flush(kLongTime));
  EXPECT_EQ(collector.spans().size(), 1u);
}

TEST_F(EnvironmentTest, WhatCannotBeUsedIsNamed) {
  using ::testing::HasSubstr;
  EXPECT_THAT(Make({{"OTEL_BSP_SCHEDULE_DELAY", "soon"}}).error().message(),
              HasSubstr("OTEL_BSP_SCHEDULE_DELAY"));
  EXPECT_THAT(Make({{"OTEL_RESOURCE_ATTRIBUTES", "novalue"}}).error().message(),
              HasSubstr("OTEL_RESOURCE_ATTRIBUTES"));
  EXPECT_THAT(Make({{"OTEL_LOG_LEVEL", "loud"}}).error().message(), HasSubstr("OTEL_LOG_LEVEL"));
  EXPECT_FALSE(Make({{"OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x"}}).has_value());
}

}  // namespace
}  // namespace enclave::otel
