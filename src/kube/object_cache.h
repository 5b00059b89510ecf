// The state behind an informer: objects by name, indexed by owner, that never go back in time.
//
// Thread safety: none; used from one executor's tasks.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kube/informer.h"

namespace enclave::kube {

class ObjectCache {
 public:
  using Key = std::pair<std::string, std::string>;  // namespace, name
  struct Change {
    ObjectPtr before;  // null: added
    ObjectPtr after;   // null: removed
  };

  // Each of these gives the changes it made, in order; none when the news are old.
  std::vector<Change> Put(ObjectPtr object);
  // The object is gone as of `revision`.
  std::vector<Change> Remove(const Object& object, Revision revision);
  // The complete state as of `list.revision`.
  std::vector<Change> Replace(const ObjectList& list);

  ObjectPtr Get(const std::string& ns, const std::string& name) const;
  std::vector<ObjectPtr> List(const std::string& ns) const;
  std::vector<ObjectPtr> OwnedBy(const std::string& uid) const;

 private:
  // Deletions are remembered while a late event about the dead object may still come.
  static constexpr std::size_t kMaxTombstones = 10'000;

  void Store(const Key& key, const ObjectPtr& object);
  void Erase(const Key& key);
  void Bury(const Key& key, Revision revision);

  std::map<Key, ObjectPtr> objects_;
  std::map<std::string, std::set<Key>> by_owner_;
  std::map<Key, Revision> tombstones_;
  std::deque<std::pair<Key, Revision>> burials_;  // in order of burial; stale entries are skipped
};

}  // namespace enclave::kube
