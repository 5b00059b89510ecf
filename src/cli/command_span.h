// The span of a command that somebody typed: the beginning of its trace. It is made when the
// command begins, and recorded once it has ended and its way out is known.
//
// One thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/state.h"
#include "net/event_loop.h"
#include "otel/telemetry.h"

namespace enclave::cli {

class CommandSpan {
 public:
  // A child of the span that the environment names; without one a new trace begins. `name`: empty
  // is the program's. Secrets are left out of the arguments.
  CommandSpan(net::EventLoop& loop, const std::string& name, const std::vector<std::string>& argv);
  CommandSpan(const CommandSpan&) = delete;
  CommandSpan& operator=(const CommandSpan&) = delete;

  const otel::SpanContext& context() const { return *span_.context(); }  // until it ends
  void Started(pid_t pid);
  void Ended(int exit_code);
  void Failed(const base::Error& error, int exit_code);

  // To the enclave's observatory, or where OTEL_EXPORTER_OTLP_ENDPOINT says. Blocks for at most two
  // seconds; kUnavailable when nobody took it.
  base::Result<> Send(const StatePaths& paths);

 private:
  net::EventLoop& loop_;
  std::optional<otel::EndedSpan> ended_;
  otel::Tracer tracer_;
  otel::Span span_;
};

// Notes the newest trace of a running enclave, for `enclave trace --last`.
void RememberTrace(const StatePaths& paths, const trace::TraceId& id);

}  // namespace enclave::cli
