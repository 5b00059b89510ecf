#include "otel/otlp.h"

namespace enclave::otel {
namespace {

namespace common = opentelemetry::proto::common::v1;
namespace trace_v1 = opentelemetry::proto::trace::v1;

void AppendBigEndian(std::uint64_t value, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

void SetValue(const telemetry::AttributeValue& value, common::AnyValue& out) {
  struct Visitor {
    common::AnyValue& out;
    void operator()(const std::string& text) const { out.set_string_value(text); }
    void operator()(bool truth) const { out.set_bool_value(truth); }
    void operator()(std::int64_t number) const { out.set_int_value(number); }
    void operator()(double number) const { out.set_double_value(number); }
    void operator()(const telemetry::JsonText& json) const { out.set_string_value(json.text); }
  };
  std::visit(Visitor{out}, value);
}

void SetSpan(const EndedSpan& ended, trace_v1::Span& out) {
  const telemetry::Span& span = ended.span;
  out.set_trace_id(IdBytes(span.trace_id));
  out.set_span_id(IdBytes(span.span_id));
  if (span.parent_id) out.set_parent_span_id(IdBytes(*span.parent_id));
  out.set_trace_state(span.trace_state);
  out.set_name(span.name);
  // Both count the kinds in the same order.
  out.set_kind(static_cast<trace_v1::Span::SpanKind>(span.kind));
  out.set_start_time_unix_nano(static_cast<std::uint64_t>(span.start_ns));
  out.set_end_time_unix_nano(static_cast<std::uint64_t>(span.end_ns));
  out.set_flags(1);  // sampled
  ToOtlp(span.attributes, *out.mutable_attributes());
  out.set_dropped_attributes_count(ended.dropped_attributes);
  for (const telemetry::SpanEvent& event : span.events) {
    auto& to = *out.add_events();
    to.set_time_unix_nano(static_cast<std::uint64_t>(event.time_ns));
    to.set_name(event.name);
    ToOtlp(event.attributes, *to.mutable_attributes());
  }
  out.set_dropped_events_count(ended.dropped_events);
  for (const telemetry::SpanLink& link : span.links) {
    auto& to = *out.add_links();
    to.set_trace_id(IdBytes(link.trace_id));
    to.set_span_id(IdBytes(link.span_id));
    ToOtlp(link.attributes, *to.mutable_attributes());
  }
  out.set_dropped_links_count(ended.dropped_links);
  if (span.status != telemetry::SpanStatus::kUnset) {
    out.mutable_status()->set_code(span.status == telemetry::SpanStatus::kOk
                                       ? trace_v1::Status::STATUS_CODE_OK
                                       : trace_v1::Status::STATUS_CODE_ERROR);
    out.mutable_status()->set_message(span.status_message);
  }
}

}  // namespace

std::string IdBytes(const trace::TraceId& id) {
  std::string bytes;
  AppendBigEndian(id.high(), bytes);
  AppendBigEndian(id.low(), bytes);
  return bytes;
}

std::string IdBytes(const trace::SpanId& id) {
  std::string bytes;
  AppendBigEndian(id.value(), bytes);
  return bytes;
}

void ToOtlp(const telemetry::Attributes& attributes,
            google::protobuf::RepeatedPtrField<common::KeyValue>& out) {
  out.Reserve(static_cast<int>(attributes.size()));
  for (const telemetry::Attribute& attribute : attributes) {
    common::KeyValue& to = *out.Add();
    to.set_key(attribute.key);
    SetValue(attribute.value, *to.mutable_value());
  }
}

opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest ToOtlp(
    const telemetry::Attributes& resource, const std::vector<EndedSpan>& spans) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest request;
  auto& resource_spans = *request.add_resource_spans();
  ToOtlp(resource, *resource_spans.mutable_resource()->mutable_attributes());
  auto& scope_spans = *resource_spans.add_scope_spans();
  scope_spans.mutable_scope()->set_name(std::string(kScopeName));
  for (const EndedSpan& span : spans) SetSpan(span, *scope_spans.add_spans());
  return request;
}

opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest ToOtlp(
    const telemetry::Attributes& resource, const std::vector<EmittedLog>& logs) {
  opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
  auto& resource_logs = *request.add_resource_logs();
  ToOtlp(resource, *resource_logs.mutable_resource()->mutable_attributes());
  auto& scope_logs = *resource_logs.add_scope_logs();
  scope_logs.mutable_scope()->set_name(std::string(kScopeName));
  for (const EmittedLog& log : logs) {
    auto& record = *scope_logs.add_log_records();
    record.set_time_unix_nano(static_cast<std::uint64_t>(log.time_ns));
    record.set_observed_time_unix_nano(static_cast<std::uint64_t>(log.time_ns));
    record.set_severity_number(static_cast<std::int32_t>(log.severity));
    record.set_severity_text(std::string(ToString(log.severity)));
    record.mutable_body()->set_string_value(log.message);
    ToOtlp(log.attributes, *record.mutable_attributes());
    if (log.span) {
      record.set_trace_id(IdBytes(log.span->trace_id));
      record.set_span_id(IdBytes(log.span->span_id));
      record.set_flags(log.span->sampled ? 1 : 0);
    }
  }
  return request;
}

}  // namespace enclave::otel
