// The trace that a request belongs to, carried in its headers: W3C Trace Context
// (https://www.w3.org/TR/trace-context/, level 1) and B3
// (https://github.com/openzipkin/b3-propagation), single and multi.
//
// Pure functions on values; any thread.
#pragma once

#include <optional>
#include <string>

#include "net/http.h"
#include "trace/trace_id.h"

namespace enclave::trace {

// W3C asks for at least as many to be handed on; longer ones are dropped, so that headers stay
// bounded.
inline constexpr std::size_t kMaxTraceStateBytes = 512;

enum class Sampling {
  kUndecided,  // B3 without a decision: the receiver may decide
  kNo,
  kYes,
  kDebug,  // B3 "d": yes, whatever samplers say
};

struct TraceContext {
  TraceId trace_id;
  std::optional<SpanId> parent;  // the sender's span; none where a B3 header names a trace alone
  Sampling sampling = Sampling::kUndecided;
  std::string
      trace_state{};  // W3C tracestate as it came; "" when there was none or it was too long

  bool operator==(const TraceContext&) const = default;
};

// What the headers say: `traceparent` first, then `b3`, then the `X-B3-` headers; a form that is
// not valid counts as absent. nullopt when none names a trace.
std::optional<TraceContext> Extract(const net::Headers& headers);

// Writes `context` for the next service, in W3C and in B3 multi form, in place of whatever trace
// headers are there. Without a parent W3C has no form, so only the B3 headers are written.
void Inject(const TraceContext& context, net::Headers& headers);

}  // namespace enclave::trace
