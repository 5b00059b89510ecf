// TraceQL from outside: whatever comes, parsing ends, and what parses can be asked of a span.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "observatory/api/traceql.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  using observatory::api::SpanFilter;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const telemetry::Span span{.trace_id = *trace::TraceId::Parse("1234567890abcdef"),
                             .span_id = *trace::SpanId::Parse("1234567890abcdef"),
                             .name = "GET",
                             .end_ns = 5,
                             .resource = {{"service.name", std::string("cart")}},
                             .attributes = {{"a", std::int64_t{1}}, {"b", 0.5}, {"c", true}}};
  for (const auto& filter : {SpanFilter::Parse(input), SpanFilter::ParseTags(input)}) {
    if (!filter) continue;
    filter->Matches(span, {});
    telemetry::SpanQuery query{.range = {0, 10}};
    filter->Narrow(&query);
  }
  return 0;
}
