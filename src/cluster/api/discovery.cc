#include "cluster/api/discovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace enclave::cluster {
namespace {

using kube::Json;

// Versions of one group, in the order of the registry.
struct Group {
  std::string name;
  std::vector<std::string> versions;
};

std::vector<Group> Groups(const Registry& registry) {
  std::vector<Group> groups;
  for (const ResourcePtr& resource : registry.All()) {
    auto group = std::ranges::find(groups, resource->kind.group, &Group::name);
    if (group == groups.end()) {
      groups.push_back({resource->kind.group, {}});
      group = std::prev(groups.end());
    }
    if (std::ranges::find(group->versions, resource->kind.version) == group->versions.end())
      group->versions.push_back(resource->kind.version);
  }
  return groups;
}

Json GroupJson(const Group& group) {
  Json versions = Json::array();
  for (const std::string& version : group.versions)
    versions.push_back({{"groupVersion", group.name + "/" + version}, {"version", version}});
  const Json preferred = versions.front();
  return {{"name", group.name}, {"versions", std::move(versions)}, {"preferredVersion", preferred}};
}

std::vector<ResourcePtr> ResourcesOf(const Registry& registry, std::string_view group,
                                     std::string_view version) {
  std::vector<ResourcePtr> resources;
  for (const ResourcePtr& resource : registry.All()) {
    if (resource->kind.group == group && resource->kind.version == version)
      resources.push_back(resource);
  }
  return resources;
}

// The kind of a subresource's bodies, the parent's where it has none of its own.
struct BodyKind {
  std::string group;
  std::string version;
  std::string kind;
};

BodyKind KindOf(const Resource& resource, const Subresource& subresource) {
  if (subresource.kind.empty())
    return {resource.kind.group, resource.kind.version, resource.kind.kind};
  return {subresource.group, subresource.version, subresource.kind};
}

Json LegacyResource(const Resource& resource) {
  Json json = {{"name", resource.kind.plural},
               {"singularName", resource.singular},
               {"namespaced", resource.kind.namespaced},
               {"kind", resource.kind.kind},
               {"verbs", resource.verbs}};
  if (!resource.short_names.empty()) json["shortNames"] = resource.short_names;
  if (!resource.categories.empty()) json["categories"] = resource.categories;
  return json;
}

Json LegacySubresource(const Resource& resource, const Subresource& subresource) {
  const BodyKind body = KindOf(resource, subresource);
  Json json = {{"name", resource.kind.plural + "/" + subresource.name},
               {"singularName", ""},
               {"namespaced", resource.kind.namespaced},
               {"kind", body.kind},
               {"verbs", subresource.verbs}};
  if (!subresource.kind.empty()) {
    json["group"] = body.group;
    json["version"] = body.version;
  }
  return json;
}

Json AggregatedResource(const Resource& resource) {
  const auto kind_json = [](const BodyKind& kind) {
    return Json{{"group", kind.group}, {"version", kind.version}, {"kind", kind.kind}};
  };
  Json json = {
      {"resource", resource.kind.plural},
      {"responseKind", kind_json({resource.kind.group, resource.kind.version, resource.kind.kind})},
      {"scope", resource.kind.namespaced ? "Namespaced" : "Cluster"},
      {"singularResource", resource.singular},
      {"verbs", resource.verbs}};
  if (!resource.short_names.empty()) json["shortNames"] = resource.short_names;
  if (!resource.categories.empty()) json["categories"] = resource.categories;
  for (const Subresource& subresource : resource.subresources) {
    json["subresources"].push_back({{"subresource", subresource.name},
                                    {"responseKind", kind_json(KindOf(resource, subresource))},
                                    {"verbs", subresource.verbs}});
  }
  return json;
}

}  // namespace

Json CoreVersions(const std::string& server) {
  return {{"kind", "APIVersions"},
          {"versions", Json::array({"v1"})},
          {"serverAddressByClientCIDRs",
           Json::array({{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server}}})}};
}

Json GroupList(const Registry& registry) {
  Json groups = Json::array();
  for (const Group& group : Groups(registry)) {
    if (!group.name.empty()) groups.push_back(GroupJson(group));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

Json GroupDocument(const Registry& registry, std::string_view name) {
  for (const Group& group : Groups(registry)) {
    if (group.name != name || name.empty()) continue;
    Json json = GroupJson(group);
    json["kind"] = "APIGroup";
    json["apiVersion"] = "v1";
    return json;
  }
  return nullptr;
}

Json ResourceList(const Registry& registry, std::string_view group, std::string_view version) {
  const auto served = ResourcesOf(registry, group, version);
  if (served.empty()) return nullptr;
  Json resources = Json::array();
  for (const ResourcePtr& resource : served) {
    resources.push_back(LegacyResource(*resource));
    for (const Subresource& subresource : resource->subresources)
      resources.push_back(LegacySubresource(*resource, subresource));
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", served.front()->kind.ApiVersion()},
          {"resources", std::move(resources)}};
}

Json AggregatedDiscovery(const Registry& registry, bool core, std::string_view version) {
  Json items = Json::array();
  for (const Group& group : Groups(registry)) {
    if (group.name.empty() != core) continue;
    Json versions = Json::array();
    for (const std::string& served : group.versions) {
      Json resources = Json::array();
      for (const ResourcePtr& resource : ResourcesOf(registry, group.name, served))
        resources.push_back(AggregatedResource(*resource));
      versions.push_back(
          {{"version", served}, {"freshness", "Current"}, {"resources", std::move(resources)}});
    }
    Json metadata = Json::object();
    if (!group.name.empty()) metadata["name"] = group.name;
    items.push_back({{"metadata", std::move(metadata)}, {"versions", std::move(versions)}});
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", fmt::format("apidiscovery.k8s.io/{}", version)},
          {"metadata", Json::object()},
          {"items", std::move(items)}};
}

}  // namespace enclave::cluster
