#include "cluster/api/decode.h"

#include <fmt/format.h>

#include "cluster/api/schema.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::StringAt;

std::string CannotHandle(const kube::Kind& kind) {
  return fmt::format("{} in version \"{}\" cannot be handled as a {}", kind.kind, kind.version,
                     kind.kind);
}

// Without a schema nobody else looks at the parts of metadata that everything relies on.
base::Result<> CheckMetadataTypes(const Json& metadata) {
  for (const char* field : {"name", "namespace", "generateName", "uid", "resourceVersion",
                            "creationTimestamp", "deletionTimestamp"}) {
    const Json& value = At(metadata, field);
    if (!value.is_null() && !value.is_string()) {
      return Fail(ErrorKind::kInvalidArgument, fmt::format("metadata.{} must be a string", field));
    }
  }
  for (const char* field : {"finalizers", "ownerReferences"}) {
    const Json& value = At(metadata, field);
    if (!value.is_null() && !value.is_array()) {
      return Fail(ErrorKind::kInvalidArgument, fmt::format("metadata.{} must be a list", field));
    }
  }
  for (const char* field : {"labels", "annotations"}) {
    const Json& value = At(metadata, field);
    if (!value.is_null() && !value.is_object()) {
      return Fail(ErrorKind::kInvalidArgument, fmt::format("metadata.{} must be a map", field));
    }
  }
  return {};
}

}  // namespace

base::Result<std::vector<std::string>> Decode(const Resource& resource, const std::string& ns,
                                              const std::string& name, Json& object) {
  const kube::Kind& kind = resource.kind;
  if (!object.is_object()) {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{}: the body must be an object, not {}",
                                                         CannotHandle(kind), object.type_name()));
  }
  const std::string& version = StringAt(object, "apiVersion");
  const std::string& its_kind = StringAt(object, "kind");
  if (!version.empty() && version != kind.ApiVersion()) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("the API version in the data ({}) does not match the expected API "
                            "version ({})",
                            version.substr(0, 128), kind.ApiVersion()));
  }
  if (!its_kind.empty() && its_kind != kind.kind) {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{} in version \"{}\" cannot be handled as a {}",
                            its_kind.substr(0, 128), kind.version, kind.kind));
  }
  object["apiVersion"] = kind.ApiVersion();
  object["kind"] = kind.kind;
  Json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  if (!metadata.is_object()) {
    return Fail(ErrorKind::kInvalidArgument, CannotHandle(kind) + ": metadata must be an object");
  }
  RETURN_IF_ERROR(CheckMetadataTypes(metadata));

  std::vector<std::string> unknown;
  if (!resource.schema.empty()) {
    auto findings = Schema::BuiltIn().Normalise(resource.schema, object);
    if (!findings) return Fail(findings.error().While(CannotHandle(kind)));
    unknown = std::move(findings->unknown_fields);
  }

  Json& normal = object["metadata"];
  const std::string& own_ns = StringAt(normal, "namespace");
  if (kind.namespaced) {
    if (!own_ns.empty() && own_ns != ns) {
      return Fail(ErrorKind::kInvalidArgument,
                  "the namespace of the provided object does not match the namespace sent on the "
                  "request");
    }
    normal["namespace"] = ns;
  } else {
    normal.erase("namespace");
  }
  const std::string& own_name = StringAt(normal, "name");
  if (!name.empty()) {
    if (!own_name.empty() && own_name != name) {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                              own_name.substr(0, 256), name.substr(0, 256)));
    }
    normal["name"] = name;
  }
  return unknown;
}

base::Error StrictError(const Resource& resource, const std::vector<std::string>& unknown) {
  std::string list;
  for (const std::string& field : unknown) {
    if (!list.empty()) list += ", ";
    list += fmt::format("unknown field \"{}\"", field);
  }
  return {ErrorKind::kInvalidArgument,
          fmt::format("{}: strict decoding error: {}", CannotHandle(resource.kind), list)};
}

}  // namespace enclave::cluster
