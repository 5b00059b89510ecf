#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/ingest/otlp.h"
#include "observatory/ingest/otlp_testing.h"

namespace enclave::observatory::ingest {
namespace {

using telemetry::Labels;

constexpr std::int64_t kNow = 1'800'000'000'000'000'000;

class OtlpLogsTest : public testing::Test {
 protected:
  OtlpLogsTest() : group_(request_.add_resource_logs()), scope_(group_->add_scope_logs()) {
    auto* resource = group_->mutable_resource()->mutable_attributes();
    Set(resource, "service.name", "cart");
    Set(resource, "k8s.namespace.name", "shop");
    Set(resource, "k8s.pod.name", "cart-1");
    Set(resource, "k8s.deployment.name", "cart");
    Set(resource, "k8s.container.name", "server");
    Set(resource, "k8s.pod.uid", "u-1");
    Set(resource, "telemetry.sdk.language", "cpp");
  }

  Translated Translate() {
    auto result = TranslateLogs(request_, options_, kNow, hold_);
    EXPECT_TRUE(result) << result.error().message();
    return std::move(*result);
  }
  telemetry::LogRecord Only() {
    const Translated result = Translate();
    EXPECT_EQ(result.batch.streams.size(), 1u);
    return result.batch.streams.at(0).records.at(0);
  }

  ByteBudget budget_{16 << 20};
  ByteBudget::Hold hold_{budget_};
  OtlpOptions options_;
  LogsRequest request_;
  opentelemetry::proto::logs::v1::ResourceLogs* group_;
  opentelemetry::proto::logs::v1::ScopeLogs* scope_;
};

TEST_F(OtlpLogsTest, TheResourceNamesTheStreamAndTheRestIsMetadata) {
  scope_->mutable_scope()->set_name("shop.cart");
  scope_->mutable_scope()->set_version("1.2");
  auto& record = *scope_->add_log_records();
  record.set_time_unix_nano(1'700'000'000'000'000'009);
  record.set_severity_number(17);
  record.set_severity_text("ERROR");
  record.mutable_body()->set_string_value("cart is gone");
  record.set_trace_id(kTraceBytes);
  record.set_span_id(kSpanBytes);
  record.set_event_name("cart.lost");
  Set(record.mutable_attributes(), "user.id", "u7");
  auto& http = *record.add_attributes();
  http.set_key("http");
  auto& status = *http.mutable_value()->mutable_kvlist_value()->add_values();
  status.set_key("status.code");
  status.mutable_value()->set_int_value(500);

  const Translated result = Translate();
  EXPECT_EQ(result.items, 1u);
  ASSERT_EQ(result.batch.streams.size(), 1u);
  EXPECT_EQ(result.batch.streams[0].labels, (Labels{{"service_name", "cart"},
                                                    {"k8s_namespace_name", "shop"},
                                                    {"k8s_pod_name", "cart-1"},
                                                    {"k8s_deployment_name", "cart"},
                                                    {"k8s_container_name", "server"}}));
  ASSERT_EQ(result.batch.streams[0].records.size(), 1u);
  const telemetry::LogRecord& kept = result.batch.streams[0].records[0];
  EXPECT_EQ(kept.time_ns, 1'700'000'000'000'000'009);
  EXPECT_EQ(kept.line, "cart is gone");
  ASSERT_TRUE(kept.trace_id && kept.span_id);
  EXPECT_EQ(kept.trace_id->ToString(), kTraceHex);
  EXPECT_EQ(kept.span_id->ToString(), kSpanHex);
  EXPECT_EQ(kept.metadata, (Labels{{"event_name", "cart.lost"},
                                   {"http_status_code", "500"},
                                   {"k8s_pod_uid", "u-1"},
                                   {"level", "error"},
                                   {"scope_name", "shop.cart"},
                                   {"scope_version", "1.2"},
                                   {"severity_number", "17"},
                                   {"severity_text", "ERROR"},
                                   {"telemetry_sdk_language", "cpp"},
                                   {"user_id", "u7"}}));
}

TEST_F(OtlpLogsTest, TheLevelComesFromNumberOrText) {
  const auto level = [&](int number, const std::string& text) {
    scope_->clear_log_records();
    auto& record = *scope_->add_log_records();
    record.set_severity_number(number);
    record.set_severity_text(text);
    return std::string(Only().metadata.Get("level"));
  };
  EXPECT_EQ(level(1, ""), "trace");
  EXPECT_EQ(level(4, ""), "trace");
  EXPECT_EQ(level(5, ""), "debug");
  EXPECT_EQ(level(9, "whatever"), "info");
  EXPECT_EQ(level(13, ""), "warn");
  EXPECT_EQ(level(20, ""), "error");
  EXPECT_EQ(level(24, ""), "fatal");
  EXPECT_EQ(level(0, "Warning"), "warn");
  EXPECT_EQ(level(0, "INFORMATION"), "info");
  EXPECT_EQ(level(0, "fatal"), "fatal");
  EXPECT_EQ(level(0, "purple"), "");
  EXPECT_EQ(level(25, ""), "");
  scope_->mutable_log_records(0)->set_severity_number(9);
  Set(scope_->mutable_log_records(0)->mutable_attributes(), "level", "critical");
  EXPECT_EQ(Only().metadata.Get("level"), "critical") << "what the program says has the last word";
}

TEST_F(OtlpLogsTest, TimeFallsBack) {
  scope_->add_log_records()->set_observed_time_unix_nano(77);
  scope_->add_log_records();
  scope_->add_log_records()->set_time_unix_nano(UINT64_MAX);
  const Translated result = Translate();
  ASSERT_EQ(result.batch.streams.at(0).records.size(), 2u);
  EXPECT_EQ(result.batch.streams[0].records[0].time_ns, 77);
  EXPECT_EQ(result.batch.streams[0].records[1].time_ns, kNow);
  EXPECT_EQ(result.refused.count, 1u);
  EXPECT_THAT(result.refused.why, testing::HasSubstr("2262"));
}

TEST_F(OtlpLogsTest, StructuredBodiesAreJson) {
  auto& body = *scope_->add_log_records()->mutable_body()->mutable_kvlist_value();
  body.add_values()->set_key("message");
  body.mutable_values(0)->mutable_value()->set_string_value("hi\n");
  body.add_values()->set_key("ratio");
  body.mutable_values(1)->mutable_value()->set_double_value(0.5);
  EXPECT_EQ(Only().line, R"({"message":"hi\n","ratio":0.5})");
}

TEST_F(OtlpLogsTest, ResourcesWithTheSameLabelsAreOneStream) {
  scope_->add_log_records()->mutable_body()->set_string_value("one");
  const auto group = *group_;
  auto& again = *request_.add_resource_logs() = group;
  again.mutable_resource()->mutable_attributes(5)->mutable_value()->set_string_value("u-2");
  auto& nameless = *request_.add_resource_logs();
  nameless.add_scope_logs()->add_log_records();
  const Translated result = Translate();
  ASSERT_EQ(result.batch.streams.size(), 2u);
  ASSERT_EQ(result.batch.streams[0].records.size(), 2u);
  EXPECT_EQ(result.batch.streams[0].records[0].metadata.Get("k8s_pod_uid"), "u-1");
  EXPECT_EQ(result.batch.streams[0].records[1].metadata.Get("k8s_pod_uid"), "u-2");
  EXPECT_EQ(result.batch.streams[1].labels, (Labels{{"service_name", "unknown_service"}}));
}

TEST_F(OtlpLogsTest, AttributesAreBounded) {
  options_.attributes.max_count = 3;
  auto& record = *scope_->add_log_records();
  for (int i = 0; i < 10; ++i) Set(record.mutable_attributes(), "key" + std::to_string(i), "value");
  const Translated result = Translate();
  EXPECT_EQ(result.cut, 9u) << "seven of the record, two of five that name the stream";
}

}  // namespace
}  // namespace enclave::observatory::ingest
