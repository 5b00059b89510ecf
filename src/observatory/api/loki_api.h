// Loki's HTTP API over a LogSource, as Grafana's data source uses it:
//   /loki/api/v1/{query,query_range,labels,label/{}/values,series,index/stats,index/volume,
//                 format_query}
// What is not served (tail, patterns, detected fields, rules, deletion) is refused by name.
//
// Thread safety: any thread. Ownership: engine, source and clock outlive the API.
// Source: Loki's documentation, "HTTP API".
#pragma once

#include "base/executor.h"
#include "base/result.h"
#include "observatory/api/parameters.h"
#include "observatory/api/route.h"
#include "observatory/logql/engine.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

class LokiApi {
 public:
  LokiApi(logql::Engine& engine, telemetry::LogSource& logs, base::Clock& clock)
      : engine_(engine), logs_(logs), clock_(clock) {}

  void AddRoutes(RouteTable* routes);

 private:
  struct Volume;

  net::Response Query(const Call& call, bool range);
  net::Response LabelNames(const Call& call);
  net::Response LabelValues(const Call& call);
  net::Response Series(const Call& call);
  net::Response IndexStats(const Call& call);
  net::Response IndexVolume(const Call& call);

  // start and end, or since, or the last `span_ns`.
  base::Result<telemetry::TimeRangeNs> RangeOf(const Parameters& parameters,
                                               std::int64_t span_ns) const;
  // Lines and bytes of what a selector matches, counted within bounds.
  base::Result<Volume> Count(const Call& call, const Parameters& parameters) const;

  logql::Engine& engine_;
  telemetry::LogSource& logs_;
  base::Clock& clock_;
};

}  // namespace enclave::observatory::api
