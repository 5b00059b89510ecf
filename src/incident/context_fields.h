// Every field of the Incident Context by name: one list that the writer and the reader of JSON
// share, so that none can be forgotten in one of them.
#pragma once

#include <concepts>
#include <type_traits>

#include "incident/context.h"

namespace enclave::incident {

template <typename T, typename... Ts>
concept OneOf = (std::same_as<std::remove_const_t<T>, Ts> || ...);

template <typename T>
concept HasFields =
    OneOf<T, Window, Alert, Summary, Point, SeriesShift, GoldenSignals, OperationShift, EdgeShift,
          FlowShift, LogShift, FailingTrace, KubernetesFact, Change, Call, ServiceFacts, Context>;

// `visit(name, member)` for each member, in their order.
template <typename Visitor, OneOf<Window> T>
void VisitFields(Visitor& visit, T& x) {
  visit("from_ns", x.from_ns);
  visit("to_ns", x.to_ns);
}

template <typename Visitor, OneOf<Alert> T>
void VisitFields(Visitor& visit, T& x) {
  visit("time_ns", x.time_ns);
  visit("name", x.name);
  visit("service", x.service);
  visit("summary", x.summary);
  visit("labels", x.labels);
  visit("trace_id", x.trace_id);
}

template <typename Visitor, OneOf<Summary> T>
void VisitFields(Visitor& visit, T& x) {
  visit("count", x.count);
  visit("mean", x.mean);
  visit("median", x.median);
  visit("spread", x.spread);
  visit("high", x.high);
}

template <typename Visitor, OneOf<Point> T>
void VisitFields(Visitor& visit, T& x) {
  visit("time_ns", x.time_ns);
  visit("value", x.value);
}

template <typename Visitor, OneOf<SeriesShift> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("service", x.service);
  visit("instance", x.instance);
  visit("caller", x.caller);
  visit("on_the_way", x.on_the_way);
  visit("signal", x.signal);
  visit("metric", x.metric);
  visit("series", x.series);
  visit("before", x.before);
  visit("during", x.during);
  visit("score", x.score);
  visit("onset_ns", x.onset_ns);
  visit("points", x.points);
}

template <typename Visitor, OneOf<GoldenSignals> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("service", x.service);
  visit("traffic", x.traffic);
  visit("latency_ms", x.latency_ms);
  visit("error_share", x.error_share);
  visit("latency_before_ms", x.latency_before_ms);
  visit("latency_spread_ms", x.latency_spread_ms);
  visit("error_before", x.error_before);
  visit("error_spread", x.error_spread);
}

template <typename Visitor, OneOf<OperationShift> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("service", x.service);
  visit("operation", x.operation);
  visit("duration_before", x.duration_before);
  visit("duration_during", x.duration_during);
  visit("self_before", x.self_before);
  visit("self_during", x.self_during);
  visit("errors_before", x.errors_before);
  visit("errors_during", x.errors_during);
  visit("score", x.score);
  visit("onset_ns", x.onset_ns);
  visit("example", x.example);
}

template <typename Visitor, OneOf<EdgeShift> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("caller", x.caller);
  visit("callee", x.callee);
  visit("operation", x.operation);
  visit("gap_before", x.gap_before);
  visit("gap_during", x.gap_during);
  visit("calls_per_request_before", x.calls_per_request_before);
  visit("calls_per_request_during", x.calls_per_request_during);
  visit("errors_before", x.errors_before);
  visit("errors_during", x.errors_during);
  visit("score", x.score);
  visit("onset_ns", x.onset_ns);
  visit("example", x.example);
}

template <typename Visitor, OneOf<FlowShift> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("service", x.service);
  visit("operation", x.operation);
  visit("callee", x.callee);
  visit("step", x.step);
  visit("ends_after", x.ends_after);
  visit("runs_before", x.runs_before);
  visit("runs_during", x.runs_during);
  visit("share_before", x.share_before);
  visit("share_during", x.share_during);
  visit("score", x.score);
  visit("onset_ns", x.onset_ns);
  visit("example", x.example);
}

template <typename Visitor, OneOf<LogShift> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("service", x.service);
  visit("change", x.change);
  visit("level", x.level);
  visit("location", x.location);
  visit("text", x.text);
  visit("example", x.example);
  visit("names", x.names);
  visit("knows_runs", x.knows_runs);
  visit("usual", x.usual);
  visit("operation", x.operation);
  visit("count_before", x.count_before);
  visit("count_during", x.count_during);
  visit("runs_before", x.runs_before);
  visit("runs_during", x.runs_during);
  visit("score", x.score);
  visit("onset_ns", x.onset_ns);
  visit("example_trace", x.example_trace);
}

template <typename Visitor, OneOf<FailingTrace> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("trace_id", x.trace_id);
  visit("service", x.service);
  visit("operation", x.operation);
  visit("path", x.path);
  visit("message", x.message);
  visit("exception", x.exception);
  visit("location", x.location);
  visit("duration_ms", x.duration_ms);
  visit("slow", x.slow);
  visit("usual_ms", x.usual_ms);
  visit("own_ms", x.own_ms);
  visit("unanswered", x.unanswered);
  visit("like_it", x.like_it);
  visit("before", x.before);
  visit("onset_ns", x.onset_ns);
}

template <typename Visitor, OneOf<KubernetesFact> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("time_ns", x.time_ns);
  visit("service", x.service);
  visit("kind", x.kind);
  visit("object", x.object);
  visit("reason", x.reason);
  visit("message", x.message);
  visit("count", x.count);
  visit("warning", x.warning);
}

template <typename Visitor, OneOf<Change> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("time_ns", x.time_ns);
  visit("service", x.service);
  visit("kind", x.kind);
  visit("object", x.object);
  visit("from", x.from);
  visit("to", x.to);
  visit("who", x.who);
  visit("trace_id", x.trace_id);
}

template <typename Visitor, OneOf<Call> T>
void VisitFields(Visitor& visit, T& x) {
  visit("caller", x.caller);
  visit("callee", x.callee);
}

template <typename Visitor, OneOf<ServiceFacts> T>
void VisitFields(Visitor& visit, T& x) {
  visit("name", x.name);
  visit("requests_before", x.requests_before);
  visit("requests_during", x.requests_during);
  visit("lines_before", x.lines_before);
  visit("lines_during", x.lines_during);
}

template <typename Visitor, OneOf<Context> T>
void VisitFields(Visitor& visit, T& x) {
  visit("id", x.id);
  visit("alert", x.alert);
  visit("before", x.before);
  visit("during", x.during);
  visit("onset_score", x.onset_score);
  visit("services", x.services);
  visit("topology", x.topology);
  visit("series", x.series);
  visit("golden", x.golden);
  visit("operations", x.operations);
  visit("edges", x.edges);
  visit("flows", x.flows);
  visit("logs", x.logs);
  visit("traces", x.traces);
  visit("facts", x.facts);
  visit("changes", x.changes);
  visit("left_out", x.left_out);
  visit("missing", x.missing);
}

// The last of each enumeration, for reading them by name.
constexpr Signal LastOf(Signal) {
  return Signal::kOther;
}
constexpr LogChange LastOf(LogChange) {
  return LogChange::kDwindling;
}
constexpr ChangeKind LastOf(ChangeKind) {
  return ChangeKind::kOther;
}

}  // namespace enclave::incident
