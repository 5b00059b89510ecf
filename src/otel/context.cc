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

}  // namespace enclave::otel
