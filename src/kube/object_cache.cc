#include "kube/object_cache.h"

namespace enclave::kube {
namespace {

template <typename Visitor>
void ForEachOwner(const Object& object, Visitor visit) {
  const Json& owners = At(object.json(), "metadata.ownerReferences");
  if (!owners.is_array()) return;
  for (const Json& owner : owners) {
    if (const std::string& uid = StringAt(owner, "uid"); !uid.empty()) visit(uid);
  }
}

}  // namespace

std::vector<ObjectCache::Change> ObjectCache::Put(ObjectPtr object) {
  const Key key{object->ns(), object->name()};
  const auto found = objects_.find(key);
  ObjectPtr before = found == objects_.end() ? nullptr : found->second;
  if (before != nullptr) {
    if (before->revision() >= object->revision()) return {};
  } else if (const auto tombstone = tombstones_.find(key); tombstone != tombstones_.end()) {
    if (tombstone->second >= object->revision()) return {};
    tombstones_.erase(tombstone);
  }
  std::vector<Change> changes;
  // Deleted and made again unseen: two different objects.
  if (before != nullptr && before->uid() != object->uid()) {
    changes.push_back({std::move(before), nullptr});
    Erase(key);
    before = nullptr;
  }
  Store(key, object);
  changes.push_back({std::move(before), std::move(object)});
  return changes;
}

std::vector<ObjectCache::Change> ObjectCache::Remove(const Object& object, Revision revision) {
  const Key key{object.ns(), object.name()};
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    Bury(key, revision);
    return {};
  }
  ObjectPtr before = found->second;
  if (before->revision() > revision) return {};
  Erase(key);
  Bury(key, revision);
  return {{std::move(before), nullptr}};
}

std::vector<ObjectCache::Change> ObjectCache::Replace(const ObjectList& list) {
  std::set<Key> listed;
  for (const ObjectPtr& object : list.items) listed.emplace(object->ns(), object->name());
  std::vector<Change> changes;
  std::vector<ObjectPtr> absent;
  for (const auto& [key, object] : objects_) {
    // Newer than the list: written by us after it was taken.
    if (!listed.contains(key) && object->revision() <= list.revision) absent.push_back(object);
  }
  for (const ObjectPtr& object : absent) {
    for (Change& change : Remove(*object, list.revision)) changes.push_back(std::move(change));
  }
  for (const ObjectPtr& object : list.items) {
    for (Change& change : Put(object)) changes.push_back(std::move(change));
  }
  return changes;
}

ObjectPtr ObjectCache::Get(const std::string& ns, const std::string& name) const {
  const auto found = objects_.find(Key{ns, name});
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<ObjectPtr> ObjectCache::List(const std::string& ns) const {
  std::vector<ObjectPtr> objects;
  auto at = ns.empty() ? objects_.begin() : objects_.lower_bound(Key{ns, ""});
  for (; at != objects_.end() && (ns.empty() || at->first.first == ns); ++at) {
    objects.push_back(at->second);
  }
  return objects;
}

std::vector<ObjectPtr> ObjectCache::OwnedBy(const std::string& uid) const {
  std::vector<ObjectPtr> objects;
  if (const auto found = by_owner_.find(uid); found != by_owner_.end()) {
    for (const Key& key : found->second) objects.push_back(objects_.at(key));
  }
  return objects;
}

void ObjectCache::Store(const Key& key, const ObjectPtr& object) {
  Erase(key);
  ForEachOwner(*object, [&](const std::string& uid) { by_owner_[uid].insert(key); });
  objects_.emplace(key, object);
}

void ObjectCache::Erase(const Key& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return;
  ForEachOwner(*found->second, [&](const std::string& uid) {
    const auto owned = by_owner_.find(uid);
    if (owned == by_owner_.end()) return;  // named twice
    owned->second.erase(key);
    if (owned->second.empty()) by_owner_.erase(owned);
  });
  objects_.erase(found);
}

void ObjectCache::Bury(const Key& key, Revision revision) {
  Revision& known = tombstones_[key];
  if (revision <= known && known != Revision::kNone) return;
  known = revision;
  burials_.emplace_back(key, revision);
  while (burials_.size() > kMaxTombstones) {
    const auto& [oldest, at] = burials_.front();
    if (const auto found = tombstones_.find(oldest);
        found != tombstones_.end() && found->second == at) {
      tombstones_.erase(found);
    }
    burials_.pop_front();
  }
}

}  // namespace enclave::kube
