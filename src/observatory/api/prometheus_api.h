// Prometheus' HTTP API over a MetricSource: queries, and what there is to query.
//   /api/v1/{query,query_range,series,labels,label/{}/values,query_exemplars,metadata,format_query,
//            parse_query}, /federate
//
// Answers, defaults, errors and their statuses are those of Prometheus 3.
//
// Thread safety: any thread. Ownership: engine, source and clock outlive the API.
// Source: Prometheus' documentation, "HTTP API".
#pragma once

#include "base/executor.h"
#include "observatory/api/json_writer.h"
#include "observatory/api/route.h"
#include "observatory/promql/engine.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

class PrometheusApi {
 public:
  PrometheusApi(promql::Engine& engine, telemetry::MetricSource& metrics, base::Clock& clock)
      : engine_(engine), metrics_(metrics), clock_(clock) {}

  void AddRoutes(RouteTable* routes);

 private:
  net::Response Query(const Call& call);
  net::Response QueryRange(const Call& call);
  net::Response Series(const Call& call);
  net::Response LabelNames(const Call& call);
  net::Response LabelValues(const Call& call);
  net::Response Exemplars(const Call& call);
  net::Response Metadata(const Call& call);
  net::Response FormatQuery(const Call& call);
  net::Response ParseQuery(const Call& call);
  net::Response Federate(const Call& call);

  promql::Engine& engine_;
  telemetry::MetricSource& metrics_;
  base::Clock& clock_;
};

// The syntax tree as parse_query shows it.
void WriteSyntaxTree(JsonWriter* json, const promql::Expr& expr);

// One metric of the text format, as /federate writes it: name{label="value"} value time.
void AppendExposition(std::string* out, const telemetry::Labels& labels,
                      const telemetry::Sample& sample);

}  // namespace enclave::observatory::api
