// The read ports of telemetry by URL: whoever answers as Prometheus (HTTP API v1), Loki (HTTP API
// v1) and Tempo (HTTP API) do.
//
// Thread safety: any thread but the loop's own, as calls block. The loop outlives the clients.
// Errors: kInvalidArgument what the server calls a bad query, kUnauthenticated and
// kPermissionDenied as it says, kTooLarge for an answer past its bound, kUnavailable for whoever
// does not answer or answers something else; all name the URL. What may pass (no connection, 429,
// 5xx) is asked twice more.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/tls.h"
#include "telemetry/source.h"

namespace enclave::telemetry::remote {

struct Endpoint {
  std::string url{};       // "http://prometheus:9090", also with a path before /api
  net::Headers headers{};  // with each request: Authorization, X-Scope-OrgID. Never logged.
  net::TlsClientConfig tls{};
  std::chrono::milliseconds timeout{15'000};  // of one request
  std::size_t max_bytes = 256 << 20;          // of one answer
};

// Samples are those stored: a range selector is asked, so no value is made up between them. What
// Prometheus does not tell, staleness markers, is not there. ExemplarsOf is kMethodNotAllowed:
// no Prometheus can be asked by trace.
base::Result<std::unique_ptr<MetricSource>> ConnectPrometheus(net::EventLoop& loop,
                                                              Endpoint endpoint);

// Lines come in pages of 5,000, Loki's usual bound. OfTrace looks through the last day of lines for
// those that have the id in their metadata or text.
base::Result<std::unique_ptr<LogSource>> ConnectLoki(net::EventLoop& loop, Endpoint endpoint);

struct TempoOptions {
  // Of one Visit. When a window has more, each stretch of it gives a part of its traces.
  std::size_t max_traces = 1500;
  std::size_t at_once = 8;  // requests under way
};

// Tempo tells spans by their trace alone, so Visit searches for traces, then reads each. FindSpans
// gives spans of the traces found; it looks at no more than `max_traces`.
base::Result<std::unique_ptr<TraceSource>> ConnectTempo(net::EventLoop& loop, Endpoint endpoint,
                                                        TempoOptions options = {});

}  // namespace enclave::telemetry::remote
