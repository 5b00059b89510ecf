// All objects in memory, by resource, then namespace and name. Not thread-safe: the core's lock
// guards it.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/store/store.h"

namespace enclave::cluster {

// One stored object. `created` is the revision of the change that created it: unique among all
// objects that ever were, and so the key of its row on disk.
struct Entry {
  kube::ObjectPtr object;  // null: absent
  kube::Revision created = kube::Revision::kNone;
};

// One change with what the journal needs to write it down.
struct Commit {
  Key key;
  kube::Revision created;
  Change change;
};

class ObjectTable {
 public:
  Entry Find(const Key& key) const;
  // In key order; `ns` "" is all namespaces.
  std::vector<kube::ObjectPtr> List(const std::string& resource, const std::string& ns) const;
  void Set(const Key& key, Entry entry);
  void Erase(const Key& key);
  std::map<std::string, std::size_t> CountByResource() const;

 private:
  // Compares without building a pair of strings, so that a lookup allocates nothing.
  struct View {
    std::string_view ns;
    std::string_view name;
    auto operator<=>(const View&) const = default;
  };
  struct Id {
    std::string ns;
    std::string name;
    View view() const { return {ns, name}; }
  };
  struct Less {
    using is_transparent = void;
    bool operator()(const Id& a, const Id& b) const { return a.view() < b.view(); }
    bool operator()(const Id& a, const View& b) const { return a.view() < b; }
    bool operator()(const View& a, const Id& b) const { return a < b.view(); }
  };
  using Objects = std::map<Id, Entry, Less>;

  std::map<std::string, Objects, std::less<>> resources_;
};

}  // namespace enclave::cluster
