// The node agent: makes this machine a Node, and the pods bound to it running containers.
//
// The Kubelet registers its Node and keeps its Lease (node_agent.h), watches the pods with
// spec.nodeName equal to its own, and keeps one PodWorker (pod_worker.h) for each. Containers
// outlive it: a new Kubelet on the same runtime adopts what runs and removes what belongs to no
// pod.
//
// Thread safety: lives on the informers' executor, but for the const methods of `usage()`, which
// say so themselves. Ownership: the dependencies outlive it. Nothing blocks but API calls and the
// runtime's Start.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cluster/kubelet/kubelet_options.h"

namespace enclave::cluster {

class UsageSampler;

class Kubelet {
 public:
  using Dependencies = KubeletDependencies;

  Kubelet(KubeletOptions options, Dependencies dependencies);
  // Leaves all containers running.
  ~Kubelet();
  Kubelet(const Kubelet&) = delete;
  Kubelet& operator=(const Kubelet&) = delete;

  // Pods that have a worker. For tests and status.
  std::size_t pod_count() const;
  const UsageSampler& usage() const;

  // The container of a pod as the kubelet knows it now, for logs and exec: its latest attempt;
  // nullopt when it never started.
  std::optional<ContainerId> LatestAttempt(const std::string& pod_uid,
                                           const std::string& container) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::cluster
