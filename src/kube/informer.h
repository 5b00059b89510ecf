// Watched caches of the API, and a write-through Api that keeps them at least as new as the
// writer's own last write. With it a controller that created a Pod sees that Pod in its next
// reconcile, so it needs no bookkeeping of expectations. A cache never goes back in time: an event
// older than what is cached, or than a known deletion, is ignored. After a kConflict or
// kAlreadyExists the object is read and cached, so that a repeat starts from the present state.
//
// Reflector rules (client-go's): LIST, then WATCH from the list's revision; on a closed or failed
// watch go on from the last revision; on kExpired list again; back-off with jitter up to 30 s.
//
// Thread safety: everything here lives on one executor and is called from its tasks only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "kube/api.h"

namespace enclave::kube {

class Informer {
 public:
  // `before` is null for an addition, `after` for a removal.
  using Handler = std::function<void(const ObjectPtr& before, const ObjectPtr& after)>;
  virtual ~Informer() = default;

  // Called for each change of the cache; for what is there already at once, as additions.
  virtual void OnChange(Handler handler) = 0;
  virtual bool synced() const = 0;  // the first list is in
  virtual ObjectPtr Get(const std::string& ns, const std::string& name) const = 0;  // null: absent
  virtual std::vector<ObjectPtr> List(const std::string& ns = "") const = 0;
  // Objects with an ownerReference to `uid`.
  virtual std::vector<ObjectPtr> OwnedBy(const std::string& uid) const = 0;
};

class SharedInformers {
 public:
  SharedInformers(Api& api, base::Executor& executor, base::Random& random);
  ~SharedInformers();

  // The one cache for this kind and filter; starts listing at first use.
  Informer& For(const Kind& kind, const ListOptions& options = {});
  bool AllSynced() const;
  // Called each time the last missing first list came in, until the set is destroyed.
  void OnAllSynced(std::function<void()> handler);
  // Reads and writes the API; what a write returns is put into the caches before the call returns.
  Api& api();
  base::Executor& executor();
  base::Random& random();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::kube
