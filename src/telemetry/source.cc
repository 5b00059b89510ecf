#include "telemetry/source.h"

#include <limits>

namespace enclave::telemetry {

base::Result<> TraceSource::Visit(TimeRangeNs range, const SpanVisitor& visit) {
  const auto spans = FindSpans({.range = range, .limit = std::numeric_limits<std::size_t>::max()});
  if (!spans) return std::unexpected(spans.error());
  for (const Span& span : *spans)
    if (!visit(span)) break;
  return {};
}

}  // namespace enclave::telemetry
