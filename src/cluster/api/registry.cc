#include "cluster/api/registry.h"

#include <mutex>
#include <utility>

#include "base/check.h"

namespace enclave::cluster {

std::unique_ptr<Registry> Registry::WithBuiltIns() {
  auto registry = std::make_unique<Registry>();
  AddCoreResources(*registry);
  AddPodResources(*registry);
  AddWorkloadResources(*registry);
  AddServiceResources(*registry);
  return registry;
}

void Registry::Add(Resource resource) {
  CHECK(!resource.kind.plural.empty() && !resource.kind.version.empty(),
        "a resource has a version and a plural name");
  Id id{resource.kind.group, resource.kind.version, resource.kind.plural};
  auto shared = std::make_shared<const Resource>(std::move(resource));
  std::unique_lock lock(mutex_);
  resources_.insert_or_assign(std::move(id), std::move(shared));
}

void Registry::Remove(const kube::Kind& kind) {
  std::unique_lock lock(mutex_);
  resources_.erase(Id{kind.group, kind.version, kind.plural});
}

ResourcePtr Registry::Find(std::string_view group, std::string_view version,
                           std::string_view plural) const {
  std::shared_lock lock(mutex_);
  const auto found = resources_.find(std::tuple(group, version, plural));
  return found == resources_.end() ? nullptr : found->second;
}

ResourcePtr Registry::Find(const kube::Kind& kind) const {
  return Find(kind.group, kind.version, kind.plural);
}

ResourcePtr Registry::FindByKind(std::string_view api_version, std::string_view kind) const {
  std::shared_lock lock(mutex_);
  for (const auto& [id, resource] : resources_) {
    if (resource->kind.kind == kind && resource->kind.ApiVersion() == api_version) return resource;
  }
  return nullptr;
}

std::vector<ResourcePtr> Registry::All() const {
  std::shared_lock lock(mutex_);
  std::vector<ResourcePtr> all;
  all.reserve(resources_.size());
  for (const auto& [id, resource] : resources_) all.push_back(resource);
  return all;
}

std::vector<kube::Kind> Registry::StoredKinds() const {
  std::vector<kube::Kind> kinds;
  for (const ResourcePtr& resource : All()) {
    if (resource->storage == nullptr) kinds.push_back(resource->kind);
  }
  return kinds;
}

std::vector<kube::Kind> Registry::NamespacedKinds() const {
  std::vector<kube::Kind> kinds = StoredKinds();
  std::erase_if(kinds, [](const kube::Kind& kind) { return !kind.namespaced; });
  return kinds;
}

}  // namespace enclave::cluster
