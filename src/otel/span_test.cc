#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/simulated_executor.h"
#include "otel/http_instrumentation.h"
#include "otel/tracer.h"

namespace enclave::otel {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class SpanTest : public ::testing::Test {
 protected:
  const telemetry::Span& Last() const { return ended_.back().span; }

  base::SimulatedExecutor executor_;
  base::SeededRandom random_{1};
  std::vector<EndedSpan> ended_;
  Tracer tracer_{executor_, random_, [this](EndedSpan span) { ended_.push_back(std::move(span)); }};
};

TEST_F(SpanTest, SpansNestOnTheirThread) {
  {
    ScopedSpan outer(tracer_, "outer", {.kind = SpanKind::kServer});
    executor_.RunFor(milliseconds(5));
    {
      ScopedSpan inner(tracer_, "inner");
      EXPECT_EQ(Current().span, *inner->context());
      executor_.RunFor(milliseconds(2));
    }
    EXPECT_EQ(Current().span, *outer->context());
  }
  EXPECT_FALSE(Current().span);
  ASSERT_EQ(ended_.size(), 2u);
  const telemetry::Span& inner = ended_[0].span;
  const telemetry::Span& outer = ended_[1].span;
  EXPECT_EQ(inner.parent_id, outer.span_id);
  EXPECT_EQ(inner.trace_id, outer.trace_id);
  EXPECT_FALSE(outer.parent_id);
  EXPECT_EQ(outer.kind, SpanKind::kServer);
  EXPECT_EQ(inner.end_ns - inner.start_ns, 2'000'000);
  EXPECT_EQ(outer.end_ns - outer.start_ns, 7'000'000);
}

TEST_F(SpanTest, ARemoteParentIsContinued) {
  const auto remote =
      trace::Extract({{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                      {"tracestate", "congo=t61rcWkgMzE"}});
  const Span span = tracer_.StartSpan("work", {.parent = remote});
  EXPECT_EQ(span.context()->trace_id.ToString(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(span.context()->trace_state, "congo=t61rcWkgMzE");
  // On to the next service, in both forms.
  net::Headers headers;
  trace::Inject(ToTraceContext(*span.context()), headers);
  EXPECT_EQ(headers["traceparent"],
            "00-0af7651916cd43dd8448eb211c80319c-" + span.context()->span_id.ToString() + "-01");
  EXPECT_EQ(headers["X-B3-SpanId"], span.context()->span_id.ToString());
}

TEST_F(SpanTest, WhatTheSenderDoesNotRecordIsHandedOnAndNotRecorded) {
  const auto remote =
      trace::Extract({{"b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"}});
  {
    ScopedSpan span(tracer_, "work", {.parent = remote});
    ScopedSpan child(tracer_, "child");
    EXPECT_FALSE(child->context()->sampled);
    EXPECT_EQ(ToTraceContext(*child->context()).sampling, trace::Sampling::kNo);
  }
  EXPECT_TRUE(ended_.empty());
}

TEST_F(SpanTest, ATraceWithoutASpanHasNoParent) {
  const auto remote = trace::Extract({{"X-B3-TraceId", "0af7651916cd43dd8448eb211c80319c"}});
  tracer_.StartSpan("work", {.parent = remote});
  EXPECT_EQ(Last().trace_id.ToString(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_FALSE(Last().parent_id);
}

TEST_F(SpanTest, ANewTraceLeavesTheCurrentOne) {
  ScopedSpan outer(tracer_, "outer");
  const Span span = tracer_.StartSpan("action", {.new_trace = true});
  EXPECT_NE(span.context()->trace_id, outer->context()->trace_id);
}

TEST_F(SpanTest, AttributesEventsLinksAndStatus) {
  {
    Span linked = tracer_.StartSpan("cause");
    Span span = tracer_.StartSpan("work", {.attributes = {{"a", "old"}}});
    span.SetAttribute("a", "new");
    span.SetAttribute("n", std::int64_t{3});
    span.AddEvent("half", {{"done", true}});
    span.AddLink(*linked.context());
    span.SetStatus(SpanStatus::kError, "it broke");
    span.End();
    EXPECT_EQ(span.context(), nullptr);
    span.SetAttribute("late", true);  // is ignored
  }
  const telemetry::Span& span = ended_[0].span;
  EXPECT_THAT(span.attributes,
              ElementsAre(Attribute{"a", std::string("new")}, Attribute{"n", std::int64_t{3}}));
  EXPECT_EQ(span.events.at(0).name, "half");
  EXPECT_EQ(span.links.at(0).trace_id, ended_[1].span.trace_id);
  EXPECT_EQ(span.status, SpanStatus::kError);
  EXPECT_EQ(span.status_message, "it broke");
}

TEST_F(SpanTest, WhatIsTooMuchIsCounted) {
  {
    Span span = tracer_.StartSpan("work");
    for (std::size_t i = 0; i < kMaxAttributes + 2; ++i)
      span.SetAttribute("a" + std::to_string(i), true);
    for (std::size_t i = 0; i < kMaxEvents + 3; ++i) span.AddEvent("e");
    const SpanContext self = *span.context();
    for (std::size_t i = 0; i < kMaxLinks + 1; ++i) span.AddLink(self);
  }
  EXPECT_EQ(ended_[0].dropped_attributes, 2u);
  EXPECT_EQ(ended_[0].dropped_events, 3u);
  EXPECT_EQ(ended_[0].dropped_links, 1u);
}

TEST_F(SpanTest, AnExceptionOnItsWayOutMarksTheSpan) {
  try {
    ScopedSpan span(tracer_, "work");
    throw std::runtime_error("no");
  } catch (const std::exception&) {
    EXPECT_EQ(Last().status, SpanStatus::kError);
  }
  {
    ScopedSpan span(tracer_, "work");
  }
  EXPECT_EQ(Last().status, SpanStatus::kUnset);
}

TEST_F(SpanTest, ARecordedExceptionHasItsPlace) {
  {
    Span span = tracer_.StartSpan("work");
    span.RecordException({.type = "std::out_of_range",
                          .message = "map::at",
                          .stack = "stack",
                          .file = "src/lab/x.cc",
                          .function = "F",
                          .line = 12});
  }
  EXPECT_EQ(Last().status, SpanStatus::kError);
  EXPECT_EQ(telemetry::ToText(*telemetry::Find(Last().attributes, "code.lineno")), "12");
  const telemetry::SpanEvent& event = Last().events.at(0);
  EXPECT_EQ(event.name, "exception");
  EXPECT_EQ(telemetry::ToText(*telemetry::Find(event.attributes, "exception.type")),
            "std::out_of_range");
  EXPECT_EQ(telemetry::ToText(*telemetry::Find(event.attributes, "code.filepath")), "src/lab/x.cc");
}

}  // namespace
}  // namespace enclave::otel
