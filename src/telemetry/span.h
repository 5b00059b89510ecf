// Spans, in the data model of OpenTelemetry (opentelemetry-proto trace/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "trace/trace_id.h"

namespace enclave::telemetry {

// Arrays and maps, as JSON text.
struct JsonText {
  std::string text;
  bool operator==(const JsonText&) const = default;
};
using AttributeValue = std::variant<std::string, bool, std::int64_t, double, JsonText>;

struct Attribute {
  std::string key;
  AttributeValue value;
  bool operator==(const Attribute&) const = default;
};
using Attributes = std::vector<Attribute>;  // in the order they came

// Null when there is none. The first of several.
const AttributeValue* Find(const Attributes& attributes, std::string_view key);
// As people and labels show it: text as it is, numbers in shortest form, true, JSON.
std::string ToText(const AttributeValue& value);

enum class SpanKind : std::uint8_t {
  kUnspecified,
  kInternal,
  kServer,
  kClient,
  kProducer,
  kConsumer
};
enum class SpanStatus : std::uint8_t { kUnset, kOk, kError };

struct SpanEvent {
  std::int64_t time_ns = 0;
  std::string name{};  // "exception", with attributes exception.type, .message, .stacktrace
  Attributes attributes{};
  bool operator==(const SpanEvent&) const = default;
};

struct SpanLink {
  trace::TraceId trace_id;
  trace::SpanId span_id;
  Attributes attributes{};
  bool operator==(const SpanLink&) const = default;
};

struct Span {
  trace::TraceId trace_id;
  trace::SpanId span_id;
  std::optional<trace::SpanId> parent_id{};  // none: the root
  std::string name{};
  SpanKind kind = SpanKind::kUnspecified;
  SpanStatus status = SpanStatus::kUnset;
  std::string status_message{};
  std::int64_t start_ns = 0;  // since 1970, UTC
  std::int64_t end_ns = 0;
  std::string trace_state{};
  std::string scope{};    // the instrumentation's name
  Attributes resource{};  // service.name, k8s.pod.name, ...
  Attributes attributes{};
  std::vector<SpanEvent> events{};
  std::vector<SpanLink> links{};
  bool operator==(const Span&) const = default;
};

// The resource's service.name; "unknown_service" without one, as the semantic conventions say.
std::string ServiceName(const Attributes& resource);

}  // namespace enclave::telemetry
