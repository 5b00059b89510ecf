#include "cli/story_span.h"

namespace enclave::cli {
namespace {

using telemetry::Span;

std::string TextOf(const telemetry::Attributes& attributes, std::string_view key) {
  const telemetry::AttributeValue* value = telemetry::Find(attributes, key);
  return value == nullptr ? "" : telemetry::ToText(*value);
}

std::string PlaceIn(const telemetry::Attributes& attributes) {
  std::string file = TextOf(attributes, "code.filepath");
  if (file.empty()) file = TextOf(attributes, "code.file.path");
  std::string line = TextOf(attributes, "code.lineno");
  if (line.empty()) line = TextOf(attributes, "code.line.number");
  if (file.empty()) return {};
  std::string function = TextOf(attributes, "code.function");
  if (function.empty()) function = TextOf(attributes, "code.function.name");
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
    const std::string type = TextOf(event.attributes, "exception.type");
    const std::string message = TextOf(event.attributes, "exception.message");
    return type.empty() ? message : message.empty() ? type : type + ": " + message;
  }
  return span.status_message;
}

}  // namespace enclave::cli
