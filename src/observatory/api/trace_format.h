// Traces as they leave: OTLP's JSON and protobuf encodings of resource spans.
//
// Source: opentelemetry-proto trace/v1 and OTLP's specification of its JSON encoding (ids in
// hexadecimal, enums as numbers, 64-bit integers as text).
#pragma once

#include <string>
#include <vector>

#include "observatory/api/json_writer.h"
#include "telemetry/span.h"

namespace enclave::observatory::api {

// [{"key":"http.method","value":{"stringValue":"GET"}}]
void WriteAttributes(JsonWriter* json, const telemetry::Attributes& attributes);
void WriteAttributeValue(JsonWriter* json, const telemetry::AttributeValue& value);

// [{"resource":...,"scopeSpans":[{"scope":...,"spans":[...]}]}]; spans of equal resource and scope
// stand together.
void WriteResourceSpans(JsonWriter* json, const std::vector<telemetry::Span>& spans);

// A message whose field 1 is repeated ResourceSpans: OTLP's TracesData, and Tempo's Trace.
std::string ResourceSpansProto(const std::vector<telemetry::Span>& spans);

}  // namespace enclave::observatory::api
