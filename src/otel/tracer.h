// Makes spans and hands those that ended to the exporter.
//
// Thread safety: any thread.
#pragma once

#include <functional>
#include <string_view>

#include "base/executor.h"
#include "base/random.h"
#include "otel/span.h"

namespace enclave::otel {

// A span that has ended, with what was dropped from it.
struct EndedSpan {
  telemetry::Span span;
  std::uint32_t dropped_attributes = 0;
  std::uint32_t dropped_events = 0;
  std::uint32_t dropped_links = 0;
};

class Tracer {
 public:
  // `ended` is called on the thread that ends a span, and must be quick. Spans of a trace that its
  // sender chose not to record are not handed over; their context goes on.
  Tracer(const base::Clock& clock, base::Random& random, std::function<void(EndedSpan)> ended);

  Span StartSpan(std::string_view name, SpanOptions options = {});

 private:
  friend class Span;
  const base::Clock& clock_;
  base::Random& random_;
  std::function<void(EndedSpan)> ended_;
};

}  // namespace enclave::otel
