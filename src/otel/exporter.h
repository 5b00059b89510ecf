// Sends spans, logs and metrics by OTLP/HTTP in protobuf
// (https://opentelemetry.io/docs/specs/otlp/): POST to /v1/traces, /v1/logs and /v1/metrics.
//
// Spans and logs wait in bounded queues and leave in batches, once a second or when a batch is
// full; metrics are collected and leave every five seconds. Whoever adds to a queue never waits:
// when it is full the newest is dropped and counted. Each signal has one request under way at a
// time. Answers 429, 502, 503 and 504, and no answer at all, are tried again by a RetryPolicy
// (after Retry-After where the answer has one, up to max_retry_after); any other answer drops the
// batch. The exporter's own requests are not traced.
//
// Thread safety: any thread. Ownership: the loop outlives the exporter.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/retry.h"
#include "net/event_loop.h"
#include "otel/logger.h"
#include "otel/tracer.h"

namespace opentelemetry::proto::metrics::v1 {
class ScopeMetrics;
}

namespace enclave::otel {

struct ExporterOptions {
  std::string endpoint{};  // "http://127.0.0.1:4318", without /v1/traces; empty: no export
  std::chrono::milliseconds flush_interval{1'000};
  std::chrono::milliseconds metric_interval{5'000};
  std::chrono::milliseconds request_timeout{5'000};
  std::size_t max_queue = 4096;  // spans, and as many log records
  std::size_t max_batch = 512;
  base::RetryPolicy retry{.base_delay = std::chrono::milliseconds(500),
                          .factor = 2.0,
                          .max_delay = std::chrono::seconds(10),
                          .jitter = 0.2,
                          .max_attempts = 6};
  std::chrono::milliseconds max_retry_after{30'000};
};

struct SignalCounts {
  std::uint64_t exported = 0;  // items accepted by the receiver
  std::uint64_t dropped = 0;   // the queue was full
  std::uint64_t failed = 0;    // refused, or given up after the last retry
  std::uint64_t retries = 0;   // requests sent again
};
struct ExporterCounts {
  SignalCounts spans;
  SignalCounts logs;
  SignalCounts metrics;  // counted by collection
};

class Exporter {
 public:
  // kInvalidArgument for an endpoint that is no URL. `collect` fills in the metrics; it is called
  // on the loop.
  static base::Result<std::unique_ptr<Exporter>> Create(
      net::EventLoop& loop, base::Random& random, ExporterOptions options,
      telemetry::Attributes resource,
      std::function<void(opentelemetry::proto::metrics::v1::ScopeMetrics&)> collect);
  virtual ~Exporter() = default;

  virtual void Add(EndedSpan span) = 0;
  virtual void Add(EmittedLog log) = 0;
  virtual ExporterCounts counts() const = 0;
  // Sends what is queued and the metrics of now; true when all of it was accepted in time. Blocks;
  // not on the loop.
  virtual bool Flush(std::chrono::milliseconds timeout) = 0;
  // As Flush; what is added afterwards is dropped.
  virtual bool Shutdown(std::chrono::milliseconds timeout) = 0;
};

}  // namespace enclave::otel
