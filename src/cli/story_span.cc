#include "cli/story_span.h"

namespace enclave::cli {

using telemetry::Span;

std::string AttributeText(const telemetry::Attributes& attributes, std::string_view key) {
  const telemetry::AttributeValue* value = telemetry::Find(attributes, key);
  return value == nullptr ? "" : telemetry::ToText(*value);
}

namespace {

std::string PlaceIn(const telemetry::Attributes& attributes) {
  std::string file = AttributeText(attributes, "code.filepath");
  if (file.empty()) file = AttributeText(attributes, "code.file.path");
  std::string line = AttributeText(attributes, "code.lineno");
  if (line.empty()) line = AttributeText(attributes, "code.line.number");
  if (file.empty()) return {};
  std::string function = AttributeText(attributes, "code.function");
  if (function.empty()) function = AttributeText(attributes, "code.function.name");
  // Without the namespaces and classes around it: the file says where it is.
  function.erase(0, function.rfind("::") == std::string::npos ? 0 : function.rfind("::") + 2);
  std::string place = line.empty() ? file : file + ":" + line;
  if (!function.empty()) place += " in " + function;
  return place;
}

}  // namespace

std::string PlaceOfSpan(const Span& span) {
  for (const telemetry::SpanEvent& event : span.events) {
    if (event.name != "exception") continue;
    if (std::string place = PlaceIn(event.attributes); !place.empty()) return place;
  }
  return PlaceIn(span.attributes);
}

std::string MessageOfSpan(const Span& span) {
  for (const telemetry::SpanEvent& event : span.events) {
    if (event.name != "exception") continue;
    const std::string type = AttributeText(event.attributes, "exception.type");
    const std::string message = AttributeText(event.attributes, "exception.message");
    return type.empty() ? message : message.empty() ? type : type + ": " + message;
  }
  return span.status_message;
}

}  // namespace enclave::cli
