#include "cluster/store/object_table.h"

namespace enclave::cluster {

Entry ObjectTable::Find(const Key& key) const {
  const auto resource = resources_.find(key.resource);
  if (resource == resources_.end()) return {};
  const auto found = resource->second.find(View{key.ns, key.name});
  return found == resource->second.end() ? Entry{} : found->second;
}

std::vector<kube::ObjectPtr> ObjectTable::List(const std::string& resource,
                                               const std::string& ns) const {
  std::vector<kube::ObjectPtr> items;
  const auto found = resources_.find(resource);
  if (found == resources_.end()) return items;
  const Objects& objects = found->second;
  auto it = objects.begin();
  if (ns.empty()) {
    items.reserve(objects.size());
  } else {
    it = objects.lower_bound(View{ns, {}});
  }
  for (; it != objects.end() && (ns.empty() || it->first.ns == ns); ++it) {
    items.push_back(it->second.object);
  }
  return items;
}

void ObjectTable::Set(const Key& key, Entry entry) {
  resources_[key.resource].insert_or_assign(Id{key.ns, key.name}, std::move(entry));
}

void ObjectTable::Erase(const Key& key) {
  const auto resource = resources_.find(key.resource);
  if (resource == resources_.end()) return;
  const auto found = resource->second.find(View{key.ns, key.name});
  if (found == resource->second.end()) return;
  resource->second.erase(found);
  if (resource->second.empty()) resources_.erase(resource);
}

std::map<std::string, std::size_t> ObjectTable::CountByResource() const {
  std::map<std::string, std::size_t> counts;
  for (const auto& [resource, objects] : resources_) counts.emplace(resource, objects.size());
  return counts;
}

}  // namespace enclave::cluster
