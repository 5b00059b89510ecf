#include "cli/call_pairs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "telemetry/in_memory.h"

namespace enclave::cli {
namespace {

telemetry::Span SpanOf(const std::string& service, std::uint64_t trace, std::uint64_t id,
                       std::uint64_t parent) {
  telemetry::Span span{.trace_id = *trace::TraceId::Parse(fmt::format("{:032x}", trace)),
                       .span_id = *trace::SpanId::Parse(fmt::format("{:016x}", id)),
                       .name = "call",
                       .start_ns = 10,
                       .end_ns = 20,
                       .resource = {{"service.name", service}}};
  if (parent != 0) span.parent_id = *trace::SpanId::Parse(fmt::format("{:016x}", parent));
  return span;
}

TEST(CallPairsTest, AParentOfAnotherServiceIsItsCaller) {
  telemetry::InMemoryTraces traces;
  traces.Add(SpanOf("front", 1, 1, 0));
  traces.Add(SpanOf("front", 1, 2, 1));
  traces.Add(SpanOf("cart", 1, 3, 2));
  traces.Add(SpanOf("cart", 2, 3, 2));  // its parent is not known
  const auto calls = CallPairs(traces, {0, 100});
  ASSERT_TRUE(calls);
  EXPECT_EQ(*calls, (std::vector<incident::Call>{{"front", "cart"}}));
}

TEST(CallPairsTest, NothingOutsideOfTheRangeCounts) {
  telemetry::InMemoryTraces traces;
  traces.Add(SpanOf("front", 1, 1, 0));
  traces.Add(SpanOf("cart", 1, 2, 1));
  const auto calls = CallPairs(traces, {50, 100});
  ASSERT_TRUE(calls);
  EXPECT_TRUE(calls->empty());
}

}  // namespace
}  // namespace enclave::cli
