#include "agent/incident_spans.h"

#include <set>

namespace enclave::agent {

void IncidentSpans::BeginIncident(const Record& record, base::Duration ago) {
  otel::SpanOptions options{.ago = ago};
  if (record.trace)
    options.parent =
        trace::TraceContext{.trace_id = *record.trace, .sampling = trace::Sampling::kYes};
  else
    options.new_trace = true;
  options.attributes = {{"enclave.incident", record.id}};
  incident_ = tracer_->StartSpan("incident", std::move(options));
  std::set<trace::TraceId> linked;
  if (record.trace) linked.insert(*record.trace);
  const auto link = [&](const std::optional<trace::TraceId>& trace) {
    if (!trace || !linked.insert(*trace).second) return;
    if (const auto root = otel::RootOf(*trace)) incident_.AddLink(*root);
  };
  for (const AlertEvent& alert : record.alerts) link(alert.trace);
  if (record.digest)
    for (const trace::TraceId& trace : record.digest->traces) link(trace);
}

void IncidentSpans::Begin(const Record& record, std::string_view step, base::Duration ago) {
  if (tracer_ == nullptr) return;
  if (incident_.context() == nullptr) BeginIncident(record, ago);
  step_.End();
  otel::SpanOptions options{.ago = ago};
  options.parent = otel::ToTraceContext(*incident_.context());
  options.attributes = {{"enclave.incident", record.id}};
  step_ = tracer_->StartSpan(step, std::move(options));
}

void IncidentSpans::Note(std::string_view key, telemetry::AttributeValue value) {
  step_.SetAttribute(key, std::move(value));
}

void IncidentSpans::End() {
  step_.End();
}

void IncidentSpans::Fail(const std::string& why) {
  step_.SetStatus(otel::SpanStatus::kError, why);
  step_.End();
}

void IncidentSpans::Close(const Record& record) {
  if (tracer_ == nullptr) return;
  if (incident_.context() == nullptr) BeginIncident(record, {});
  step_.End();
  incident_.SetAttribute("enclave.outcome", std::string(ToString(record.outcome)));
  incident_.SetAttribute("enclave.why", record.why);
  incident_.End();
}

}  // namespace enclave::agent
