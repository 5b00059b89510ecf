// Binds pods to nodes: filters by readiness, cordon, node selection, taints and resource fit,
// scores what is left by how little of it is asked for, and writes spec.nodeName (Kubernetes
// pkg/scheduler with its default plugins, in small).
//
// A pod that fits nowhere gets condition PodScheduled=False and the event FailedScheduling, and is
// tried again when a node changes or a pod leaves one.
//
// Invariant: `used_` holds for every node the sum of requests of the cached pods that are bound to
// it and have not ended. Bindings enter the cache before the next pod is looked at, so a node is
// never filled twice.
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <map>
#include <set>
#include <string>

#include "cluster/scheduler/pod_requirements.h"
#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class Scheduler {
 public:
  static constexpr const char* kName = "default-scheduler";
  explicit Scheduler(kube::SharedInformers& informers);

 private:
  kube::Reconciler::Outcome Schedule(const kube::ObjectName& key);
  void OnPod(const kube::ObjectPtr& before, const kube::ObjectPtr& after);
  void OnNode(const kube::ObjectPtr& before, const kube::ObjectPtr& after);
  void RetryUnschedulable();
  base::Result<> Bind(const kube::Object& pod, const std::string& node);
  kube::Reconciler::Outcome Refuse(const kube::Object& pod, const std::string& message);

  kube::SharedInformers& informers_;
  kube::Informer& pods_;
  kube::Informer& nodes_;
  kube::EventRecorder events_;
  std::map<std::string, Resources> used_;
  std::set<kube::ObjectName> unschedulable_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
