#include "trace_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <protozero/pbf_writer.hpp>

namespace enclave::observatory::api {
namespace {

using telemetry::Attribute;
using telemetry::Attributes;
using telemetry::AttributeValue;
using telemetry::JsonText;
using telemetry::Span;
using telemetry::SpanStatus;

// OTLP numbers the status UNSET, OK, ERROR, and so does ours.
static_assert(static_cast<int>(SpanStatus::kOk) == 1 && static_cast<int>(SpanStatus::kError) == 2);
static_assert(static_cast<int>(telemetry::SpanKind::kConsumer) == 5);

struct ScopeGroup {
  const std::string* scope;
  std::vector<const Span*> spans;
};
struct ResourceGroup {
  const Attributes* resource;
  std::vector<ScopeGroup> scopes;
};

// A trace has few resources: a walk over them is quicker than hashing attributes.
std::vector<ResourceGroup> GroupByResource(const std::vector<Span>& spans) {
  std::vector<ResourceGroup> groups;
  for (const Span& span : spans) {
    auto group = std::ranges::find_if(
        groups, [&](const ResourceGroup& known) { return *known.resource == span.resource; });
    if (group == groups.end()) group = groups.insert(groups.end(), {&span.resource, {}});
    auto scope = std::ranges::find_if(
        group->scopes, [&](const ScopeGroup& known) { return *known.scope == span.scope; });
    if (scope == group->scopes.end())
      scope = group->scopes.insert(group->scopes.end(), {&span.scope, {}});
    scope->spans.push_back(&span);
  }
  return groups;
}

void WriteText(JsonWriter* json, std::string_view key, std::string_view value) {
  json->Key(key).String(value);
}
void WriteNanos(JsonWriter* json, std::string_view key, std::int64_t nanos) {
  json->Key(key).String(fmt::format_int(nanos).str());
}

void WriteSpan(JsonWriter* json, const Span& span) {
  json->BeginObject();
  WriteText(json, "traceId", span.trace_id.ToString());
  WriteText(json, "spanId", span.span_id.ToString());
  if (!span.trace_state.empty()) WriteText(json, "traceState", span.trace_state);
  if (span.parent_id) WriteText(json, "parentSpanId", span.parent_id->ToString());
  WriteText(json, "name", span.name);
  json->Key("kind").Integer(static_cast<int>(span.kind));
  WriteNanos(json, "startTimeUnixNano", span.start_ns);
  WriteNanos(json, "endTimeUnixNano", span.end_ns);
  json->Key("attributes");
  WriteAttributes(json, span.attributes);
  if (!span.events.empty()) {
    json->Key("events").BeginArray();
    for (const telemetry::SpanEvent& event : span.events) {
      json->BeginObject();
      WriteNanos(json, "timeUnixNano", event.time_ns);
      WriteText(json, "name", event.name);
      json->Key("attributes");
      WriteAttributes(json, event.attributes);
      json->EndObject();
    }
    json->EndArray();
  }
  if (!span.links.empty()) {
    json->Key("links").BeginArray();
    for (const telemetry::SpanLink& link : span.links) {
      json->BeginObject();
      WriteText(json, "traceId", link.trace_id.ToString());
      WriteText(json, "spanId", link.span_id.ToString());
      json->Key("attributes");
      WriteAttributes(json, link.attributes);
      json->EndObject();
    }
    json->EndArray();
  }
  json->Key("status").BeginObject();
  if (!span.status_message.empty()) WriteText(json, "message", span.status_message);
  if (span.status != SpanStatus::kUnset) json->Key("code").Integer(static_cast<int>(span.status));
  json->EndObject().EndObject();
}

std::string BigEndian(std::uint64_t value) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  return bytes;
}
std::string Bytes(const trace::TraceId& id) {
  return BigEndian(id.high()) + BigEndian(id.low());
}
std::string Bytes(const trace::SpanId& id) {
  return BigEndian(id.value());
}

// common.v1.AnyValue: string 1, bool 2, int 3, double 4.
void AddValue(protozero::pbf_writer* message, const AttributeValue& value) {
  protozero::pbf_writer any(*message, 2);
  if (const auto* text = std::get_if<std::string>(&value)) any.add_string(1, *text);
  if (const auto* json = std::get_if<JsonText>(&value)) any.add_string(1, json->text);
  if (const auto* boolean = std::get_if<bool>(&value)) any.add_bool(2, *boolean);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) any.add_int64(3, *whole);
  if (const auto* number = std::get_if<double>(&value)) any.add_double(4, *number);
}

void AddAttributes(protozero::pbf_writer* message, std::uint32_t field,
                   const Attributes& attributes) {
  for (const Attribute& attribute : attributes) {
    protozero::pbf_writer pair(*message, field);
    pair.add_string(1, attribute.key);
    AddValue(&pair, attribute.value);
  }
}

void AddSpan(protozero::pbf_writer* scope_spans, const Span& span) {
  protozero::pbf_writer out(*scope_spans, 2);
  out.add_bytes(1, Bytes(span.trace_id));
  out.add_bytes(2, Bytes(span.span_id));
  if (!span.trace_state.empty()) out.add_string(3, span.trace_state);
  if (span.parent_id) out.add_bytes(4, Bytes(*span.parent_id));
  out.add_string(5, span.name);
  out.add_enum(6, static_cast<int>(span.kind));
  out.add_fixed64(7, static_cast<std::uint64_t>(span.start_ns));
  out.add_fixed64(8, static_cast<std::uint64_t>(span.end_ns));
  AddAttributes(&out, 9, span.attributes);
  for (const telemetry::SpanEvent& event : span.events) {
    protozero::pbf_writer message(out, 11);
    message.add_fixed64(1, static_cast<std::uint64_t>(event.time_ns));
    message.add_string(2, event.name);
    AddAttributes(&message, 3, event.attributes);
  }
  for (const telemetry::SpanLink& link : span.links) {
    protozero::pbf_writer message(out, 13);
    message.add_bytes(1, Bytes(link.trace_id));
    message.add_bytes(2, Bytes(link.span_id));
    AddAttributes(&message, 4, link.attributes);
  }
  protozero::pbf_writer status(out, 15);
  if (!span.status_message.empty()) status.add_string(2, span.status_message);
  if (span.status != SpanStatus::kUnset) status.add_enum(3, static_cast<int>(span.status));
}

}  // namespace

void WriteAttributeValue(JsonWriter* json, const AttributeValue& value) {
  json->BeginObject();
  if (const auto* text = std::get_if<std::string>(&value)) WriteText(json, "stringValue", *text);
  if (const auto* array = std::get_if<JsonText>(&value))
    WriteText(json, "stringValue", array->text);
  if (const auto* boolean = std::get_if<bool>(&value)) json->Key("boolValue").Bool(*boolean);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) WriteNanos(json, "intValue", *whole);
  if (const auto* number = std::get_if<double>(&value)) json->Key("doubleValue").Number(*number);
  json->EndObject();
}

void WriteAttributes(JsonWriter* json, const Attributes& attributes) {
  json->BeginArray();
  for (const Attribute& attribute : attributes) {
    json->BeginObject();
    WriteText(json, "key", attribute.key);
    json->Key("value");
    WriteAttributeValue(json, attribute.value);
    json->EndObject();
  }
  json->EndArray();
}

void WriteResourceSpans(JsonWriter* json, const std::vector<Span>& spans) {
  json->BeginArray();
  for (const ResourceGroup& group : GroupByResource(spans)) {
    json->BeginObject().Key("resource").BeginObject().Key("attributes");
    WriteAttributes(json, *group.resource);
    json->EndObject().Key("scopeSpans").BeginArray();
    for (const ScopeGroup& scope : group.scopes) {
      json->BeginObject().Key("scope").BeginObject();
      if (!scope.scope->empty()) WriteText(json, "name", *scope.scope);
      json->EndObject().Key("spans").BeginArray();
      for (const Span* span : scope.spans) WriteSpan(json, *span);
      json->EndArray().EndObject();
    }
    json->EndArray().EndObject();
  }
  json->EndArray();
}

std::string ResourceSpansProto(const std::vector<Span>& spans) {
  std::string bytes;
  protozero::pbf_writer out(bytes);
  for (const ResourceGroup& group : GroupByResource(spans)) {
    protozero::pbf_writer resource_spans(out, 1);
    {
      protozero::pbf_writer resource(resource_spans, 1);
      AddAttributes(&resource, 1, *group.resource);
    }
    for (const ScopeGroup& scope : group.scopes) {
      protozero::pbf_writer scope_spans(resource_spans, 2);
      {
        protozero::pbf_writer instrumentation(scope_spans, 1);
        if (!scope.scope->empty()) instrumentation.add_string(1, *scope.scope);
      }
      for (const Span* span : scope.spans) AddSpan(&scope_spans, *span);
    }
  }
  return bytes;
}

}  // namespace enclave::observatory::api
