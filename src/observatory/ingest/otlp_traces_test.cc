#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observatory/ingest/otlp.h"
#include "observatory/ingest/otlp_testing.h"

namespace enclave::observatory::ingest {
namespace {

using telemetry::AttributeValue;
using testing::HasSubstr;

class OtlpTracesTest : public testing::Test {
 protected:
  OtlpTracesTest() {
    auto& group = *request_.add_resource_spans();
    Set(group.mutable_resource()->mutable_attributes(), "service.name", "checkout");
    auto& scope = *group.add_scope_spans();
    scope.mutable_scope()->set_name("shop.orders");
    span_ = scope.add_spans();
    span_->set_trace_id(kTraceBytes);
    span_->set_span_id(kSpanBytes);
    span_->set_name("PlaceOrder");
    span_->set_kind(opentelemetry::proto::trace::v1::Span::SPAN_KIND_SERVER);
    span_->set_start_time_unix_nano(1'700'000'000'000'000'001);
    span_->set_end_time_unix_nano(1'700'000'000'250'000'001);
  }

  Translated Translate() {
    auto result = TranslateTraces(request_, options_, hold_);
    EXPECT_TRUE(result) << result.error().message();
    return std::move(*result);
  }

  ByteBudget budget_{16 << 20};
  ByteBudget::Hold hold_{budget_};
  OtlpOptions options_;
  TracesRequest request_;
  opentelemetry::proto::trace::v1::Span* span_;
};

TEST_F(OtlpTracesTest, ASpanKeepsEverythingItSays) {
  span_->set_parent_span_id(std::string("\0\0\0\0\0\0\0\x7", 8));
  span_->set_trace_state("vendor=1");
  span_->mutable_status()->set_code(opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
  span_->mutable_status()->set_message("card refused");
  auto* attributes = span_->mutable_attributes();
  Set(attributes, "rpc.system", "grpc");
  attributes->Add()->set_key("items");
  attributes->rbegin()->mutable_value()->set_int_value(3);
  attributes->Add()->set_key("total");
  attributes->rbegin()->mutable_value()->set_double_value(12.5);
  attributes->Add()->set_key("gift");
  attributes->rbegin()->mutable_value()->set_bool_value(true);
  attributes->Add()->set_key("raw");
  attributes->rbegin()->mutable_value()->set_bytes_value(std::string("\x00\xff", 2));
  auto& list = *attributes->Add();
  list.set_key("skus");
  list.mutable_value()->mutable_array_value()->add_values()->set_string_value("a\"b");
  list.mutable_value()->mutable_array_value()->add_values()->set_int_value(-1);
  auto& map = *list.mutable_value()->mutable_array_value()->add_values()->mutable_kvlist_value();
  map.add_values()->set_key("k");
  auto& event = *span_->add_events();
  event.set_time_unix_nano(1'700'000'000'100'000'000);
  event.set_name("exception");
  Set(event.mutable_attributes(), "exception.type", "std::out_of_range");
  auto& link = *span_->add_links();
  link.set_trace_id(kTraceBytes);
  link.set_span_id(std::string("\1\1\1\1\1\1\1\1", 8));
  Set(link.mutable_attributes(), "why", "retry");

  const Translated result = Translate();
  EXPECT_EQ(result.items, 1u);
  EXPECT_EQ(result.refused.count, 0u);
  EXPECT_EQ(result.cut, 0u);
  ASSERT_EQ(result.batch.spans.size(), 1u);
  const telemetry::Span& span = result.batch.spans[0];
  EXPECT_EQ(span.trace_id.ToString(), kTraceHex);
  EXPECT_EQ(span.span_id.ToString(), kSpanHex);
  ASSERT_TRUE(span.parent_id);
  EXPECT_EQ(span.parent_id->ToString(), "0000000000000007");
  EXPECT_EQ(span.name, "PlaceOrder");
  EXPECT_EQ(span.kind, telemetry::SpanKind::kServer);
  EXPECT_EQ(span.status, telemetry::SpanStatus::kError);
  EXPECT_EQ(span.status_message, "card refused");
  EXPECT_EQ(span.start_ns, 1'700'000'000'000'000'001);
  EXPECT_EQ(span.end_ns, 1'700'000'000'250'000'001);
  EXPECT_EQ(span.trace_state, "vendor=1");
  EXPECT_EQ(span.scope, "shop.orders");
  EXPECT_EQ(telemetry::ServiceName(span.resource), "checkout");
  EXPECT_EQ(*telemetry::Find(span.attributes, "rpc.system"), AttributeValue("grpc"));
  EXPECT_EQ(*telemetry::Find(span.attributes, "items"), AttributeValue(std::int64_t{3}));
  EXPECT_EQ(*telemetry::Find(span.attributes, "total"), AttributeValue(12.5));
  EXPECT_EQ(*telemetry::Find(span.attributes, "gift"), AttributeValue(true));
  EXPECT_EQ(*telemetry::Find(span.attributes, "raw"), AttributeValue("AP8="));
  EXPECT_EQ(*telemetry::Find(span.attributes, "skus"),
            AttributeValue(telemetry::JsonText{R"(["a\"b",-1,{"k":null}])"}));
  ASSERT_EQ(span.events.size(), 1u);
  EXPECT_EQ(span.events[0].name, "exception");
  EXPECT_EQ(span.events[0].time_ns, 1'700'000'000'100'000'000);
  EXPECT_EQ(*telemetry::Find(span.events[0].attributes, "exception.type"),
            AttributeValue("std::out_of_range"));
  ASSERT_EQ(span.links.size(), 1u);
  EXPECT_EQ(span.links[0].span_id.ToString(), "0101010101010101");
}

TEST_F(OtlpTracesTest, SpansWithoutIdsAreRefusedAndTheOthersStay) {
  auto& spans = *request_.mutable_resource_spans(0)->mutable_scope_spans(0)->mutable_spans();
  const auto good = *span_;
  *spans.Add() = good;
  spans.rbegin()->set_name("no trace");
  spans.rbegin()->set_trace_id(std::string(16, '\0'));
  *spans.Add() = good;
  spans.rbegin()->set_span_id("short");
  *spans.Add() = good;
  spans.rbegin()->clear_start_time_unix_nano();
  *spans.Add() = good;
  spans.rbegin()->set_end_time_unix_nano(UINT64_MAX);

  const Translated result = Translate();
  EXPECT_EQ(result.items, 5u);
  EXPECT_EQ(result.refused.count, 4u);
  EXPECT_EQ(result.refused.why, "span \"no trace\": the trace id is not 16 bytes, not all zero");
  EXPECT_EQ(result.batch.spans.size(), 1u);
}

TEST_F(OtlpTracesTest, AParentOfZerosIsNone) {
  span_->set_parent_span_id(std::string(8, '\0'));
  span_->set_end_time_unix_nano(5);
  const Translated result = Translate();
  EXPECT_FALSE(result.batch.spans.at(0).parent_id);
  EXPECT_EQ(result.batch.spans.at(0).end_ns, result.batch.spans.at(0).start_ns)
      << "no span ends before it starts";
}

TEST_F(OtlpTracesTest, LimitsCutAndCount) {
  options_.attributes = {.max_count = 2, .max_key_bytes = 8, .max_value_bytes = 10};
  options_.max_events = 1;
  Set(span_->mutable_attributes(), "a.very.long.key", "ä23456789ä");  // 12 bytes
  Set(span_->mutable_attributes(), "second", "short");
  Set(span_->mutable_attributes(), "third", "left out");
  for (int i = 0; i < 3; ++i) span_->add_events()->set_time_unix_nano(1);
  span_->add_links();
  const Translated result = Translate();
  const telemetry::Span& span = result.batch.spans.at(0);
  ASSERT_EQ(span.attributes.size(), 2u);
  EXPECT_EQ(span.attributes[0].key, "a.very.l");
  EXPECT_EQ(span.attributes[0].value, AttributeValue("ä23456789")) << "cut between characters";
  EXPECT_EQ(span.events.size(), 1u);
  EXPECT_EQ(span.links.size(), 0u);
  EXPECT_EQ(result.cut, 5u);
}

TEST_F(OtlpTracesTest, AResourceThatIsCopiedManyTimesIsPaidFor) {
  Set(request_.mutable_resource_spans(0)->mutable_resource()->mutable_attributes(), "big",
      std::string(60'000, 'x'));
  const auto span = *span_;
  for (int i = 0; i < 400; ++i)
    *request_.mutable_resource_spans(0)->mutable_scope_spans(0)->add_spans() = span;
  const auto result = TranslateTraces(request_, options_, hold_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), base::ErrorKind::kTooLarge);
}

}  // namespace
}  // namespace enclave::observatory::ingest
