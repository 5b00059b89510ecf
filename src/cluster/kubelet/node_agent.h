// Makes this machine known to the cluster: registers the Node, keeps its conditions, and renews its
// Lease in kube-node-lease, by which others see that it lives.
//
// Thread safety: lives on the kubelet's executor.
#pragma once

#include <memory>
#include <string>

#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/one_shot.h"

namespace enclave::cluster {

class NodeAgent {
 public:
  // Begins at once.
  explicit NodeAgent(const KubeletContext& context);
  ~NodeAgent();

  bool registered() const { return registered_; }

 private:
  void Register();
  base::Result<> EnsureNode();
  base::Result<> WriteStatus(const kube::Object& node);
  kube::Json Status(const kube::Object& node) const;
  void RenewStatus();
  void RenewLease();
  base::Result<> WriteLease();

  const KubeletContext& context_;
  kube::Informer& nodes_;
  bool registered_ = false;
  bool announced_ = false;  // the Starting event of this kubelet was sent
  base::Duration retry_delay_{};
  OneShot register_timer_;
  OneShot status_timer_;
  OneShot lease_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace enclave::cluster
