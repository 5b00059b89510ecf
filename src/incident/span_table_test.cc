#include "incident/span_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace enclave::incident {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

class SpanTableTest : public testing::Test {
 protected:
  telemetry::Span Make(int id, int parent, const std::string& service, const std::string& name,
                       std::int64_t from_ms, std::int64_t to_ms) {
    telemetry::Span span{.trace_id = *trace::TraceId::Parse("000000000000000000000000000000aa"),
                         .span_id = *trace::SpanId::Parse(fmt::format("{:016x}", id))};
    if (parent != 0) span.parent_id = trace::SpanId::Parse(fmt::format("{:016x}", parent));
    span.name = name;
    span.start_ns = from_ms * kMillisecond;
    span.end_ns = to_ms * kMillisecond;
    span.resource = {{"service.name", service}};
    return span;
  }

  Interner services_;
  Interner names_;
  SpanTable table_{services_, names_};
};

TEST_F(SpanTableTest, MeasuresWhatASpanTookForItself) {
  // Children overlap each other, and one outlasts its parent.
  table_.Add(Make(1, 0, "a", "serve", 0, 100), 1);
  table_.Add(Make(2, 1, "a", "step", 10, 40), 1);
  table_.Add(Make(3, 1, "a", "step", 30, 60), 1);
  table_.Add(Make(4, 1, "a", "step", 90, 150), 1);
  table_.Link();
  EXPECT_DOUBLE_EQ(table_.SelfMs(0), 40);
  EXPECT_DOUBLE_EQ(table_.SelfMs(1), 30);
}

TEST_F(SpanTableTest, KnowsWhoWasCalled) {
  table_.Add(Make(1, 0, "a", "serve", 0, 100), 1);
  table_.Add(Make(2, 1, "a", "GET", 10, 90), 1);
  table_.Add(Make(3, 2, "b", "serve", 30, 80), 1);
  table_.Link();
  EXPECT_EQ(services_.Name(table_.rows()[1].peer), "b");
  EXPECT_TRUE(table_.rows()[1].is_call);
  EXPECT_FALSE(table_.rows()[0].is_call);
  EXPECT_DOUBLE_EQ(table_.SelfMs(1), 30);  // the way there and back
}

TEST_F(SpanTableTest, BelievesAnUnansweredCallWhomItMeant) {
  telemetry::Span call = Make(1, 0, "a", "GET", 0, 10);
  call.kind = telemetry::SpanKind::kClient;
  call.attributes = {{"server.address", "cart.shop.svc:7070"}};
  table_.Add(call, 1);
  table_.Link();
  EXPECT_EQ(services_.Name(table_.rows()[0].peer), "cart");
}

TEST_F(SpanTableTest, NotesWhereItFailed) {
  telemetry::Span span = Make(1, 0, "a", "serve", 0, 10);
  span.status = telemetry::SpanStatus::kError;
  span.events = {{.name = "exception",
                  .attributes = {{"exception.type", "std::out_of_range"},
                                 {"exception.message", "no such rate"},
                                 {"code.filepath", "rates.cc"},
                                 {"code.lineno", std::int64_t{42}},
                                 {"code.function", "Convert"}}}};
  table_.Add(span, 1);
  table_.Link();
  ASSERT_TRUE(table_.rows()[0].failed);
  const FailureNote& note = table_.failures()[table_.rows()[0].failure];
  EXPECT_EQ(note.exception, "std::out_of_range");
  EXPECT_EQ(note.message, "no such rate");
  EXPECT_EQ(note.location, "rates.cc:42 (Convert)");
}

TEST_F(SpanTableTest, SurvivesASpanThatIsItsOwnParent) {
  table_.Add(Make(1, 1, "a", "serve", 0, 10), 1);
  table_.Link();
  EXPECT_EQ(table_.rows()[0].parent, SpanTable::kNone);
}

}  // namespace
}  // namespace enclave::incident
