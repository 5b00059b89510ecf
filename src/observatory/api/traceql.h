// The part of TraceQL that selects spans: one pair of braces with conditions on a span, joined with
// && and || and parentheses.
//
//   { resource.service.name = "cart" && duration > 1s && (status = error || .http.status >= 500) }
//
// Fields: resource.NAME, span.NAME, .NAME (either), and the span's own name, status, kind,
// duration, statusMessage, rootServiceName, rootName, traceDuration, nestedSetParent (below zero:
// the root) and their forms with a colon (span:name). Everything else of the language (pipelines,
// aggregates, relations between spans, metrics) is refused by name with kUnprocessable; what is no
// TraceQL at all with kInvalidArgument and a position.
//
// Values; any thread. Source: Tempo's documentation of TraceQL.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

// Of the trace that a span is in, for the conditions that need it.
struct TraceFacts {
  std::string root_service{};
  std::string root_name{};
  std::int64_t duration_ns = 0;
};

class SpanFilter {
 public:
  struct Node;

  // "" and "{}" select every span. At most 64 conditions and 32 levels of parentheses.
  static base::Result<SpanFilter> Parse(std::string_view query);
  // Loki-like "a=b c=\"d e\"" of Tempo's older search, all of which must be equal.
  static base::Result<SpanFilter> ParseTags(std::string_view tags);
  static SpanFilter All() { return SpanFilter(nullptr); }

  // `facts` is asked for only when needs_trace().
  bool Matches(const telemetry::Span& span, const TraceFacts& facts) const;
  bool needs_trace() const;

  // Fills in what an index can answer. Spans that match the filter match the query, not always the
  // other way round.
  void Narrow(telemetry::SpanQuery* query) const;

 private:
  explicit SpanFilter(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
  std::shared_ptr<const Node> root_;  // null: all
};

}  // namespace enclave::observatory::api
