// What goes with a request through a thread: the span that is current, and the time by which the
// answer is wanted. Calls to other services take both from here, so no caller has to hand them on.
//
// Threading: the current context belongs to the thread. Code that carries a request to another
// thread copies Current() and opens a ScopedContext there. A coroutine that may change threads
// keeps no ScopedContext across a co_await; it hands parents on by SpanOptions::parent.
#pragma once

#include <optional>
#include <string>

#include "base/executor.h"
#include "trace/trace_context.h"

namespace enclave::otel {

struct SpanContext {
  trace::TraceId trace_id;
  trace::SpanId span_id;
  bool sampled = true;  // whether the spans of this trace are recorded
  std::string trace_state{};
  bool operator==(const SpanContext&) const = default;
};

struct Context {
  std::optional<SpanContext> span{};
  std::optional<base::MonoTime> deadline{};
};

// Of this thread; empty outside of any ScopedContext.
const Context& Current();

// Makes `context` current until the end of the scope, on the thread that made it.
class ScopedContext {
 public:
  explicit ScopedContext(Context context);
  ~ScopedContext();
  ScopedContext(const ScopedContext&) = delete;
  ScopedContext& operator=(const ScopedContext&) = delete;

 private:
  Context before_;
};

// As trace::Inject writes it: the context as the parent of what the receiver does.
trace::TraceContext ToTraceContext(const SpanContext& context);
// The same of the span that is current; nullopt when none is.
std::optional<trace::TraceContext> CurrentTrace();

// The root of a trace that is known by its id alone: as in B3, the lower half of the id is the
// span's. nullopt when that is zero.
std::optional<SpanContext> RootOf(const trace::TraceId& trace_id);

}  // namespace enclave::otel
