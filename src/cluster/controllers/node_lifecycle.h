// Watches over nodes (Kubernetes pkg/controller/nodelifecycle): a node whose Lease in
// kube-node-lease is not renewed for 40 s is Unknown and tainted unreachable; its pods are marked
// not ready, and evicted 5 minutes later if another node is healthy. Cordoned and not-ready nodes
// get their taints.
//
// A Lease's age is counted on our own clock from when its change was seen, so neither a wrong
// clock nor a pause of this process makes a node look dead.
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class NodeLifecycle {
 public:
  struct Options {
    base::Duration grace = std::chrono::seconds(40);
    base::Duration eviction_delay = std::chrono::seconds(300);
  };
  NodeLifecycle(kube::SharedInformers& informers, Options options);

 private:
  struct Seen {
    std::string renewed;                    // the Lease's renewTime, or "" before the first
    std::optional<base::MonoTime> at;       // when we saw it change
    std::optional<base::MonoTime> lost_at;  // since when it is unreachable
  };

  kube::Reconciler::Outcome Reconcile(const std::string& name);
  base::Result<> MarkUnknown(const kube::Object& node);
  base::Result<> MarkPodsNotReady(const std::string& node);
  base::Result<> Evict(const std::string& node);
  base::Result<> SetTaints(const kube::Object& node, bool unreachable);
  bool AnotherIsHealthy(const std::string& name) const;

  kube::SharedInformers& informers_;
  const Options options_;
  kube::Informer& nodes_;
  kube::Informer& leases_;
  kube::Informer& pods_;
  std::map<std::string, Seen> seen_;
  kube::EventRecorder events_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
