// Tempo's HTTP API over a TraceSource, as Grafana's data source uses it:
//   /api/traces/{id}, /api/v2/traces/{id}     one trace; protobuf when Accept asks for it, else
//   JSON /api/search                               q (TraceQL), or tags, minDuration, maxDuration;
//   start,
//                                             end (Unix seconds), limit (20), spss (3)
//   /api/search/tags, /api/v2/search/tags, /api/search/tag/{}/values, /api/v2/search/tag/{}/values
//   /api/echo
//
// Thread safety: any thread. Ownership: source and clock outlive the API.
// Source: Tempo's documentation of its API, and Grafana's data source.
#pragma once

#include <optional>

#include "base/executor.h"
#include "observatory/api/parameters.h"
#include "observatory/api/route.h"
#include "observatory/api/traceql.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

class TempoApi {
 public:
  TempoApi(telemetry::TraceSource& traces, base::Clock& clock) : traces_(traces), clock_(clock) {}

  void AddRoutes(RouteTable* routes);

 private:
  struct Found;
  struct Wanted;

  net::Response Trace(const Call& call, bool v2);
  net::Response Search(const Call& call);
  net::Response Tags(const Call& call, bool v2);
  net::Response TagValues(const Call& call, bool v2);

  // nullopt: it is not wanted.
  static std::optional<Found> Describe(const Wanted& wanted,
                                       const std::vector<telemetry::Span>& trace);
  base::Result<std::vector<Found>> FindTraces(const Wanted& wanted, telemetry::SpanQuery query,
                                              const Call& call);
  // What is asked for by start and end, or everything until now.
  base::Result<telemetry::TimeRangeNs> RangeOf(const Parameters& parameters) const;
  // The newest spans, from which tag names and values are learnt.
  base::Result<std::vector<telemetry::Span>> Recent(const Parameters& parameters);

  telemetry::TraceSource& traces_;
  base::Clock& clock_;
};

}  // namespace enclave::observatory::api
