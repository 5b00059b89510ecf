// Checks every committed change, in the moment it is committed, against what must always hold:
//
//  history      revisions grow by every change; uid and creation time of an object never change;
//               generation never falls and grows with every change of spec; a deletion is final
//  pods         a node is assigned once; an ended pod stays ended; restart counts never fall; no
//  two
//               living pods have one address
//  owners       no pod is created for a controller that is neither in the store nor, by what the
//               controllers have been told so far, still there
//  ReplicaSet   never creates a pod beyond what it asks for
//  Deployment   revisions never fall; its ReplicaSets together never come to ask for more than
//               replicas + maxSurge; outside of scaling, no step of a rollout takes availability
//               below replicas - maxUnavailable
//  calm rollouts (no faults, no crashes): at every moment at least replicas - maxUnavailable pods
//               are ready, and no more are active than the ReplicaSets ask for or are about to
//               delete
//  watches      each watcher of the API sees exactly the committed sequence
//
// A controller may act on a state up to one reconcile old: "replicas" above is any value that the
// Deployment had since the generation its controller last reported. While a write's answer was lost
// and no watch has told of it, controllers know less than they wrote, and the bounds on creation
// and on rollouts are not checked.
//
// Thread safety: lives on the simulator's one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "cluster/store/store.h"
#include "kube/api.h"

namespace enclave::sim {

class Observer {
 public:
  struct Knowledge {
    // Whether controllers may at present be unaware of a write of theirs.
    std::function<bool()> less;
    // Whether their caches hold a controller of pods with this namespace and uid.
    std::function<bool(const std::string& ns, const std::string& uid)> holds;
  };
  // `knowledge` is of the controllers, in the moment of a change.
  Observer(cluster::Store& store, kube::Api& api, base::Executor& executor,
           const std::vector<kube::Kind>& kinds, Knowledge knowledge);
  ~Observer();

  // The first broken invariant; nullopt: all held.
  const std::optional<std::string>& failure() const { return failure_; }
  void Fail(const std::string& what);

  // From now on no fault is injected and these Deployments (by uid) roll out; until Calm({}).
  void Calm(std::set<std::string> deployments) { calm_ = std::move(deployments); }

  // With all tasks run that are due: every watcher has seen all.
  void CheckWatchersAreComplete();

  std::uint64_t changes() const { return changes_; }
  // Of everything committed: equal runs have equal digests.
  std::uint64_t digest() const { return digest_; }
  const std::map<std::string, std::uint64_t>& changes_by_resource() const { return by_resource_; }

 private:
  struct Version {
    std::int64_t generation = 0;
    std::int64_t replicas = 0;
    std::int64_t most = 0;           // replicas + maxSurge
    std::int64_t min_available = 0;  // replicas - maxUnavailable
    bool rolling = true;
    bool paused = false;
  };
  struct Watcher {
    kube::Kind kind;
    std::deque<std::pair<kube::EventType, kube::Revision>> committed;
    std::unique_ptr<kube::WatchHandle> handle;
  };

  void OnChange(const cluster::Change& change);
  void CheckHistory(const cluster::Change& change);
  void CheckPod(const cluster::Change& change);
  void CheckOwnerOf(const kube::Object& pod);
  void CheckReplicaSet(const cluster::Change& change);
  void CheckDeployment(const cluster::Change& change);
  void CheckCalm();
  std::vector<kube::ObjectPtr> OwnedBy(const kube::Kind& kind, const std::string& ns,
                                       const std::string& uid) const;

  cluster::Store& store_;
  const Knowledge knowledge_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::vector<std::unique_ptr<cluster::Subscription>> subscriptions_;
  std::map<std::string, std::deque<Version>> versions_;  // of Deployments, by uid
  std::map<std::string, std::string> address_owner_;     // pod address -> uid
  std::set<std::string> calm_;
  kube::Revision last_revision_ = kube::Revision::kNone;
  std::uint64_t changes_ = 0;
  std::uint64_t digest_ = 14695981039346656037ULL;
  std::map<std::string, std::uint64_t> by_resource_;
  std::optional<std::string> failure_;
};

}  // namespace enclave::sim
