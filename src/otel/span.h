// A span under way. It is recorded when it ends, by End() or by going out of scope.
//
// Threading: one thread at a time. Ownership: a span may not outlive its Telemetry.
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "otel/context.h"
#include "otel/exception.h"
#include "telemetry/span.h"

namespace enclave::otel {

using telemetry::Attribute;
using telemetry::Attributes;
using telemetry::AttributeValue;
using telemetry::SpanKind;
using telemetry::SpanStatus;

class Tracer;

// Of each kind per span; the limits of OpenTelemetry's SDKs. What is over is counted and dropped.
inline constexpr std::size_t kMaxAttributes = 128;
inline constexpr std::size_t kMaxEvents = 128;
inline constexpr std::size_t kMaxLinks = 128;

class Span {
 public:
  Span() = default;  // records nothing
  ~Span() { End(); }
  Span(Span&& other) noexcept = default;
  Span& operator=(Span&& other) noexcept;

  // Absent for a span that was made by Span() or has ended.
  const SpanContext* context() const { return data_ ? &data_->context : nullptr; }

  void SetName(std::string_view name);
  // Of two with one key the last one stays.
  void SetAttribute(std::string_view key, AttributeValue value);
  void SetStatus(SpanStatus status, std::string_view message = {});
  void AddEvent(std::string_view name, Attributes attributes = {});
  void AddLink(const SpanContext& context, Attributes attributes = {});
  // The event "exception" with its attributes, code.filepath, code.function and code.lineno both
  // there and on the span, and the status kError.
  void RecordException(const ExceptionInfo& exception);
  // error.type and the status kError.
  void RecordError(const base::Error& error);

  // Whether the status is kError.
  bool failed() const { return data_ && data_->span.status == SpanStatus::kError; }
  // Since the start.
  base::Duration Elapsed() const;
  void End();

 private:
  friend class Tracer;
  struct Data {
    Tracer* tracer;
    SpanContext context;
    telemetry::Span span;
    base::MonoTime started;
    std::uint32_t dropped_attributes = 0;
    std::uint32_t dropped_events = 0;
    std::uint32_t dropped_links = 0;
  };
  explicit Span(std::unique_ptr<Data> data) : data_(std::move(data)) {}
  bool recording() const { return data_ && data_->context.sampled; }
  std::unique_ptr<Data> data_;
};

// exception.type, .message, .stacktrace and, where known, code.filepath, .function, .lineno.
Attributes ExceptionAttributes(const ExceptionInfo& exception);

struct SpanOptions {
  SpanKind kind = SpanKind::kInternal;
  // The parent; unset: the span that is current on this thread, and without one a new trace begins.
  std::optional<trace::TraceContext> parent{};
  bool new_trace = false;  // begins a trace whatever is current
  base::Duration ago{};    // how long before now it began
  Attributes attributes{};
  std::vector<telemetry::SpanLink> links{};
};

// A span that is current while it lives: what is started and logged on this thread meanwhile
// belongs to it. One that is left by an exception ends with the status kError. An internal span
// carries the place that began it, as code.* (code_location.h).
class ScopedSpan {
 public:
  ScopedSpan(Tracer& tracer, std::string_view name, SpanOptions options = {},
             const std::source_location& where = std::source_location::current());
  ~ScopedSpan();
  ScopedSpan(const ScopedSpan&) = delete;
  ScopedSpan& operator=(const ScopedSpan&) = delete;

  Span& operator*() { return span_; }
  Span* operator->() { return &span_; }

 private:
  Span span_;
  ScopedContext scope_;
  int exceptions_;
};

}  // namespace enclave::otel
