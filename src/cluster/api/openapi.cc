#include "cluster/api/openapi.h"

#include <fmt/format.h>

#include "cluster/api/schema.h"

namespace enclave::cluster {
namespace {

using kube::Json;

constexpr std::string_view kGroupVersionKind = "x-kubernetes-group-version-kind";

struct Verb {
  std::string_view name;
  std::string_view method;
  std::string_view action;  // x-kubernetes-action
  bool of_one;              // on the path with the object's name
};
constexpr Verb kVerbs[] = {
    {"list", "get", "list", false},      {"create", "post", "post", false},
    {"get", "get", "get", true},         {"deletecollection", "delete", "deletecollection", false},
    {"update", "put", "put", true},      {"patch", "patch", "patch", true},
    {"delete", "delete", "delete", true}};

// "api/v1", "apis/apps/v1"
std::string PathOf(const kube::Kind& kind) {
  return (kind.group.empty() ? "api/" : "apis/") + kind.ApiVersion();
}

Json GroupVersionKind(std::string_view group, std::string_view version, std::string_view kind) {
  return {{"group", group}, {"version", version}, {"kind", kind}};
}

Json PathParameter(std::string_view name) {
  return {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}};
}

Json QueryParameters(const Verb& verb) {
  Json parameters = Json::array();
  const auto add = [&parameters](std::string_view name, std::string_view type) {
    parameters.push_back({{"name", name}, {"in", "query"}, {"schema", {{"type", type}}}});
  };
  const bool selects = verb.name == "list" || verb.name == "deletecollection";
  if (selects) {
    add("labelSelector", "string");
    add("fieldSelector", "string");
  }
  if (verb.name == "list") {
    add("limit", "integer");
    add("continue", "string");
    add("resourceVersion", "string");
    add("resourceVersionMatch", "string");
    add("watch", "boolean");
    add("allowWatchBookmarks", "boolean");
    add("sendInitialEvents", "boolean");
    add("timeoutSeconds", "integer");
  } else if (verb.name != "get") {
    add("dryRun", "string");
    if (verb.method == "delete") {
      add("gracePeriodSeconds", "integer");
      add("propagationPolicy", "string");
    } else {
      add("fieldManager", "string");
      add("fieldValidation", "string");
    }
  }
  return parameters;
}

// `schema` is that of the bodies, or empty.
Json Operation(const Verb& verb, Json kind, std::string_view schema) {
  Json json = {{"x-kubernetes-action", verb.action},
               {kGroupVersionKind, std::move(kind)},
               {"parameters", QueryParameters(verb)},
               {"responses", {{"200", {{"description", "OK"}}}}}};
  if (!schema.empty() && (verb.method == "post" || verb.method == "put")) {
    json["requestBody"]["content"]["*/*"]["schema"]["$ref"] =
        "#/components/schemas/" + OpenApiName(schema);
  }
  return json;
}

// All paths of a resource below `base`, which names the collection.
void AddPaths(const Resource& resource, const std::string& base, Json& paths) {
  const kube::Kind& kind = resource.kind;
  Json shared = Json::array();
  if (kind.namespaced) shared.push_back(PathParameter("namespace"));
  Json named = shared;
  named.push_back(PathParameter("name"));
  for (const Verb& verb : kVerbs) {
    if (!resource.HasVerb(verb.name)) continue;
    Json& path = paths[verb.of_one ? base + "/{name}" : base];
    path["parameters"] = verb.of_one ? named : shared;
    path[verb.method] =
        Operation(verb, GroupVersionKind(kind.group, kind.version, kind.kind), resource.schema);
  }
  for (const Subresource& sub : resource.subresources) {
    const bool own = !sub.kind.empty();
    for (const Verb& verb : kVerbs) {
      // Below an object there are no collections, but there is what can be created.
      if (!verb.of_one && verb.name != "create") continue;
      if (std::ranges::find(sub.verbs, verb.name) == sub.verbs.end()) continue;
      Json& path = paths[base + "/{name}/" + sub.name];
      path["parameters"] = named;
      path[verb.method] = Operation(verb,
                                    own ? GroupVersionKind(sub.group, sub.version, sub.kind)
                                        : GroupVersionKind(kind.group, kind.version, kind.kind),
                                    own ? "" : resource.schema);
    }
  }
}

}  // namespace

Json OpenApiIndex(const Registry& registry) {
  Json paths = Json::object();
  for (const ResourcePtr& resource : registry.All()) {
    const std::string path = PathOf(resource->kind);
    paths[path] = {{"serverRelativeURL", "/openapi/v3/" + path}};
  }
  return {{"paths", std::move(paths)}};
}

Json OpenApiDocument(const Registry& registry, std::string_view group, std::string_view version,
                     std::string_view server_version) {
  Json paths = Json::object();
  Json schemas = Json::object();
  for (const ResourcePtr& resource : registry.All()) {
    const kube::Kind& kind = resource->kind;
    if (kind.group != group || kind.version != version) continue;
    const std::string base = fmt::format(
        "/{}/{}{}", PathOf(kind), kind.namespaced ? "namespaces/{namespace}/" : "", kind.plural);
    AddPaths(*resource, base, paths);
    const std::string& schema = resource->schema.empty() ? kind.kind : resource->schema;
    if (Schema::BuiltIn().DescribeOpenApi(schema, schemas)) {
      schemas[OpenApiName(schema)][kGroupVersionKind].push_back(
          GroupVersionKind(kind.group, kind.version, kind.kind));
    }
  }
  if (paths.empty()) return nullptr;
  return {{"openapi", "3.0.0"},
          {"info", {{"title", "Kubernetes"}, {"version", server_version}}},
          {"paths", std::move(paths)},
          {"components", {{"schemas", std::move(schemas)}}}};
}

}  // namespace enclave::cluster
