// The kinds that this API serves. Filled at start with the built-in ones; more can come and go
// while it runs, and discovery, routing and storage follow at once.
//
// Thread safety: all methods may be called from any thread; a ResourcePtr stays valid when its kind
// is removed.
#pragma once

#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "cluster/api/resource.h"

namespace enclave::cluster {

class Registry {
 public:
  // Empty.
  Registry() = default;
  // With the kinds every cluster has.
  static std::unique_ptr<Registry> WithBuiltIns();

  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Replaces one of the same group, version and plural.
  void Add(Resource resource);
  void Remove(const kube::Kind& kind);

  // Null when not served.
  ResourcePtr Find(std::string_view group, std::string_view version, std::string_view plural) const;
  ResourcePtr Find(const kube::Kind& kind) const;
  ResourcePtr FindByKind(std::string_view api_version, std::string_view kind) const;

  // Sorted by group (core first), version, plural.
  std::vector<ResourcePtr> All() const;
  // All kinds in the store that belong to namespaces: what goes with one.
  std::vector<kube::Kind> NamespacedKinds() const;
  // All kinds in the store.
  std::vector<kube::Kind> StoredKinds() const;

 private:
  using Id = std::tuple<std::string, std::string, std::string>;
  mutable std::shared_mutex mutex_;
  std::map<Id, ResourcePtr, std::less<>> resources_;
};

// The parts of WithBuiltIns.
void AddCoreResources(Registry& registry);
void AddPodResources(Registry& registry);
void AddWorkloadResources(Registry& registry);
void AddServiceResources(Registry& registry);

// From now on a created pod's ServiceAccount must be there, and its token is mounted into the pod
// as a volume unless pod or account says no. For clusters whose kubelet issues tokens.
void AdmitServiceAccounts(Registry& registry);

}  // namespace enclave::cluster
