#include "otel/context.h"

#include <utility>

namespace enclave::otel {
namespace {

thread_local Context current_context;

}  // namespace

const Context& Current() {
  return current_context;
}

ScopedContext::ScopedContext(Context context)
    : before_(std::exchange(current_context, std::move(context))) {}

ScopedContext::~ScopedContext() {
  current_context = std::move(before_);
}

trace::TraceContext ToTraceContext(const SpanContext& context) {
  return {.trace_id = context.trace_id,
          .parent = context.span_id,
          .sampling = context.sampled ? trace::Sampling::kYes : trace::Sampling::kNo,
          .trace_state = context.trace_state};
}

std::optional<trace::TraceContext> CurrentTrace() {
  if (!current_context.span) return std::nullopt;
  return ToTraceContext(*current_context.span);
}

std::optional<SpanContext> RootOf(const trace::TraceId& trace_id) {
  const auto span = trace::SpanId::Parse(trace_id.ToString().substr(16));
  if (!span) return std::nullopt;
  return SpanContext{.trace_id = trace_id, .span_id = *span};
}

}  // namespace enclave::otel
