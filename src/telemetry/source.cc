#include "telemetry/source.h"

#include <algorithm>
#include <limits>

namespace enclave::telemetry {

bool Matches(const SpanQuery& query, const Span& span) {
  const std::int64_t duration_ns = span.end_ns - span.start_ns;
  if (span.start_ns < query.range.from || span.start_ns >= query.range.to ||
      duration_ns < query.min_duration_ns || duration_ns > query.max_duration_ns ||
      (query.operation && span.name != *query.operation) ||
      (query.status && span.status != *query.status) ||
      (query.service && ServiceName(span.resource) != *query.service))
    return false;
  return std::ranges::all_of(query.tags, [&](const Attribute& tag) {
    const AttributeValue* value = Find(span.attributes, tag.key);
    if (value == nullptr) value = Find(span.resource, tag.key);
    return value != nullptr && ToText(*value) == ToText(tag.value);
  });
}

base::Result<> TraceSource::Visit(TimeRangeNs range, const SpanVisitor& visit) {
  const auto spans = FindSpans({.range = range, .limit = std::numeric_limits<std::size_t>::max()});
  if (!spans) return std::unexpected(spans.error());
  for (const Span& span : *spans)
    if (!visit(span)) break;
  return {};
}

}  // namespace enclave::telemetry
