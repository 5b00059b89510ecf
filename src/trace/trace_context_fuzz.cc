// Trace headers come from anywhere. What was read is written so that it is read as the same again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "trace/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  // One header value a line, in this order; an empty line leaves the header out.
  std::string_view text(reinterpret_cast<const char*>(data), size);
  net::Headers headers;
  for (const char* name : {"traceparent", "tracestate", "b3", "X-B3-TraceId", "X-B3-SpanId",
                           "X-B3-Sampled", "X-B3-Flags"}) {
    const std::size_t end = text.find('\n');
    if (const std::string_view value = text.substr(0, end); !value.empty()) headers[name] = value;
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  const auto context = trace::Extract(headers);
  if (!context) return 0;
  CHECK(context->trace_state.size() <= trace::kMaxTraceStateBytes, "what is kept is bounded");
  net::Headers next;
  trace::Inject(*context, next);
  auto again = trace::Extract(next);
  CHECK(again && again->trace_id == context->trace_id && again->parent == context->parent &&
            again->trace_state == context->trace_state,
        "a trace is handed on as it came");
  const auto yes = [](trace::Sampling sampling) {
    return sampling == trace::Sampling::kYes || sampling == trace::Sampling::kDebug;
  };
  CHECK(yes(again->sampling) == yes(context->sampling), "and so is the decision to record it");
  return 0;
}
