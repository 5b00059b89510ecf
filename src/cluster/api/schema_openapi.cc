// The schema in the words of OpenAPI v3, as the API server of Kubernetes writes it.
#include "cluster/api/schema.h"

namespace enclave::cluster {
namespace {

using kube::Json;

Json ReferenceTo(std::string_view type) {
  return {{"$ref", "#/components/schemas/" + OpenApiName(type)}};
}

// A component that stands for a value which may be written in two ways.
Json EitherType(std::string_view name, std::string_view other, Json& components) {
  Json& component = components[OpenApiName(name)];
  if (component.is_null()) {
    component["oneOf"] = Json::array({{{"type", "string"}}, {{"type", other}}});
  }
  return ReferenceTo(name);
}

}  // namespace

std::string OpenApiName(std::string_view type) {
  return "dev.enclave." + std::string(type == "Meta" ? "ObjectMeta" : type);
}

bool Schema::DescribeOpenApi(std::string_view type, Json& components) const {
  const auto found = names_.find(type);
  if (found == names_.end()) return false;
  const std::string name = OpenApiName(type);
  if (components.contains(name)) return true;
  components[name] = {{"type", "object"}};  // ends a type that holds itself
  Json properties = Json::object();
  for (const auto& [field, index] : structs_[static_cast<std::size_t>(found->second)].fields) {
    properties[field] = OpenApiOf(index, components);
  }
  components[name]["properties"] = std::move(properties);
  return true;
}

Json Schema::OpenApiOf(int index, Json& components) const {
  const Type& type = types_[static_cast<std::size_t>(index)];
  switch (type.shape) {
    case Shape::kString:
      return {{"type", "string"}};
    case Shape::kInteger:
      return {{"type", "integer"}};
    case Shape::kNumber:
      return {{"type", "number"}};
    case Shape::kBoolean:
      return {{"type", "boolean"}};
    case Shape::kQuantity:
      return EitherType("Quantity", "number", components);
    case Shape::kIntOrString:
      return EitherType("IntOrString", "integer", components);
    case Shape::kTime:
      return {{"type", "string"}, {"format", "date-time"}};
    case Shape::kBytes:
      return {{"type", "string"}, {"format", "byte"}};
    case Shape::kAny:
      return {{"type", "object"}};
    case Shape::kStruct:
      for (const auto& [name, target] : names_) {
        if (target != type.target) continue;
        DescribeOpenApi(name, components);
        return ReferenceTo(name);
      }
      return {{"type", "object"}};
    case Shape::kList:
      return {{"type", "array"}, {"items", OpenApiOf(type.target, components)}};
    case Shape::kMap:
      return {{"type", "object"}, {"additionalProperties", OpenApiOf(type.target, components)}};
  }
  return Json::object();
}

}  // namespace enclave::cluster
