#include "telemetry/span.h"

#include <fmt/format.h>

namespace enclave::telemetry {

const AttributeValue* Find(const Attributes& attributes, std::string_view key) {
  for (const Attribute& attribute : attributes)
    if (attribute.key == key) return &attribute.value;
  return nullptr;
}

std::string ToText(const AttributeValue& value) {
  struct Visitor {
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(bool truth) const { return truth ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return fmt::format("{}", number); }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(const JsonText& json) const { return json.text; }
  };
  return std::visit(Visitor{}, value);
}

std::string ServiceName(const Attributes& resource) {
  const AttributeValue* name = Find(resource, "service.name");
  return name == nullptr ? "unknown_service" : ToText(*name);
}

}  // namespace enclave::telemetry
