#include <algorithm>
#include <limits>
#include <string>

#include <nlohmann/json.hpp>

#include "opentelemetry/trace_service.pb.h"
#include "telemetry/remote/answers.h"

namespace enclave::telemetry::remote {
namespace {

namespace wire = opentelemetry::proto;
using nlohmann::json;

constexpr std::int64_t kMostNs = std::numeric_limits<std::int64_t>::max();

std::string HexOf(const std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 0xf];
  }
  return hex;
}

json JsonOf(const wire::common::v1::AnyValue& value) {
  switch (value.value_case()) {
    case wire::common::v1::AnyValue::kStringValue:
      return value.string_value();
    case wire::common::v1::AnyValue::kBoolValue:
      return value.bool_value();
    case wire::common::v1::AnyValue::kIntValue:
      return value.int_value();
    case wire::common::v1::AnyValue::kDoubleValue:
      return value.double_value();
    case wire::common::v1::AnyValue::kArrayValue: {
      json list = json::array();
      for (const auto& item : value.array_value().values()) list.push_back(JsonOf(item));
      return list;
    }
    case wire::common::v1::AnyValue::kKvlistValue: {
      json object = json::object();
      for (const auto& item : value.kvlist_value().values())
        object[item.key()] = JsonOf(item.value());
      return object;
    }
    default:
      return value.bytes_value().empty() ? json(nullptr) : json(HexOf(value.bytes_value()));
  }
}

AttributeValue ValueOf(const wire::common::v1::AnyValue& value) {
  switch (value.value_case()) {
    case wire::common::v1::AnyValue::kStringValue:
      return value.string_value();
    case wire::common::v1::AnyValue::kBoolValue:
      return value.bool_value();
    case wire::common::v1::AnyValue::kIntValue:
      return static_cast<std::int64_t>(value.int_value());
    case wire::common::v1::AnyValue::kDoubleValue:
      return value.double_value();
    case wire::common::v1::AnyValue::kArrayValue:
    case wire::common::v1::AnyValue::kKvlistValue:
      return JsonText{JsonOf(value).dump(-1, ' ', false, json::error_handler_t::replace)};
    default:
      return HexOf(value.bytes_value());
  }
}

Attributes AttributesOf(
    const google::protobuf::RepeatedPtrField<wire::common::v1::KeyValue>& given) {
  Attributes attributes;
  attributes.reserve(static_cast<std::size_t>(given.size()));
  for (const auto& one : given) attributes.push_back({one.key(), ValueOf(one.value())});
  return attributes;
}

std::int64_t Nanos(std::uint64_t time) {
  return static_cast<std::int64_t>(std::min(time, static_cast<std::uint64_t>(kMostNs)));
}

// Both enumerations stand in OTLP's order; what is past them is the first, "unspecified".
template <typename Enum>
Enum EnumOf(int value, Enum last) {
  return value < 0 || value > static_cast<int>(last) ? Enum{} : static_cast<Enum>(value);
}

bool AddSpan(const wire::trace::v1::Span& from, const Attributes& resource,
             const std::string& scope, std::vector<Span>& spans) {
  const auto trace_id = trace::TraceId::Parse(HexOf(from.trace_id()));
  const auto span_id = trace::SpanId::Parse(HexOf(from.span_id()));
  if (!trace_id || !span_id) return false;
  Span& span = spans.emplace_back(Span{.trace_id = *trace_id, .span_id = *span_id});
  span.parent_id = trace::SpanId::Parse(HexOf(from.parent_span_id()));
  span.name = from.name();
  span.kind = EnumOf(from.kind(), SpanKind::kConsumer);
  span.status = EnumOf(from.status().code(), SpanStatus::kError);
  span.status_message = from.status().message();
  span.start_ns = Nanos(from.start_time_unix_nano());
  span.end_ns = std::max(span.start_ns, Nanos(from.end_time_unix_nano()));
  span.trace_state = from.trace_state();
  span.scope = scope;
  span.resource = resource;
  span.attributes = AttributesOf(from.attributes());
  for (const auto& event : from.events())
    span.events.push_back({.time_ns = Nanos(event.time_unix_nano()),
                           .name = event.name(),
                           .attributes = AttributesOf(event.attributes())});
  for (const auto& link : from.links()) {
    const auto to_trace = trace::TraceId::Parse(HexOf(link.trace_id()));
    const auto to_span = trace::SpanId::Parse(HexOf(link.span_id()));
    if (to_trace && to_span)
      span.links.push_back({.trace_id = *to_trace,
                            .span_id = *to_span,
                            .attributes = AttributesOf(link.attributes())});
  }
  return true;
}

}  // namespace

base::Result<> ParseTrace(std::string_view body, std::vector<Span>& spans) {
  // Tempo's Trace and OTLP's TracesData and export request are the same bytes: field 1 repeated.
  wire::collector::trace::v1::ExportTraceServiceRequest data;
  if (body.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !data.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return base::Fail(base::ErrorKind::kUnavailable,
                      "the answer is not understood: it is no trace in OTLP's protobuf");
  for (const auto& group : data.resource_spans()) {
    const Attributes resource = AttributesOf(group.resource().attributes());
    for (const auto& scope : group.scope_spans())
      for (const auto& span : scope.spans())
        if (!AddSpan(span, resource, scope.scope().name(), spans))
          return base::Fail(base::ErrorKind::kUnavailable,
                            "the answer is not understood: a span has no ids");
  }
  return {};
}

}  // namespace enclave::telemetry::remote
