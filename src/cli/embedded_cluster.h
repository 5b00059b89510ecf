// The embedded Kubernetes as one object: store, API, controllers, scheduler and node, made in the
// order in which each needs the one before, ended in the reverse.
//
// Threads: the store's writer; `api` (two, for requests); `control` (controllers and scheduler);
// `node` (kubelet, probes, containers); `data` (connections to Services).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/commands.h"
#include "cli/state.h"

namespace enclave::cli {

class EmbeddedCluster {
 public:
  // All parts; the kubeconfig is written when this returns, the node Ready some time after.
  static base::Result<std::unique_ptr<EmbeddedCluster>> Start(const StatePaths& paths,
                                                              const ClusterOptions& options);
  // `on_ready` is called once, on a thread of the cluster's, as soon as the node is Ready.
  void OnReady(std::function<void()> on_ready);
  // Ends the control plane. Containers go on running.
  ~EmbeddedCluster();

  const std::string& server() const;  // "https://127.93.240.1:6443"

 private:
  struct Parts;
  explicit EmbeddedCluster(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace enclave::cli
