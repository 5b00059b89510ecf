#include "cli/call_pairs.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace enclave::cli {

base::Result<std::vector<incident::Call>> CallPairs(telemetry::TraceSource& traces,
                                                    telemetry::TimeRangeNs range) {
  using Key = std::pair<trace::TraceId, trace::SpanId>;
  struct Seen {
    std::size_t service;
    std::optional<Key> parent;
  };
  std::map<std::string, std::size_t> numbers;
  std::vector<std::string> names;
  std::map<Key, Seen> spans;
  RETURN_IF_ERROR(traces.Visit(range, [&](const telemetry::Span& span) {
    const auto [service, fresh] =
        numbers.try_emplace(telemetry::ServiceName(span.resource), names.size());
    if (fresh) names.push_back(service->first);
    std::optional<Key> parent;
    if (span.parent_id) parent = Key{span.trace_id, *span.parent_id};
    spans.insert_or_assign(Key{span.trace_id, span.span_id}, Seen{service->second, parent});
    return spans.size() < kMostPairedSpans;
  }));
  std::set<std::pair<std::size_t, std::size_t>> pairs;
  for (const auto& [key, seen] : spans) {
    if (!seen.parent) continue;
    const auto parent = spans.find(*seen.parent);
    if (parent != spans.end() && parent->second.service != seen.service)
      pairs.insert({parent->second.service, seen.service});
  }
  std::vector<incident::Call> calls;
  for (const auto& [caller, callee] : pairs) calls.push_back({names[caller], names[callee]});
  return calls;
}

}  // namespace enclave::cli
