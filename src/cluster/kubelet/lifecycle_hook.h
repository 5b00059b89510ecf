// A container's postStart or preStop action.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/one_shot.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

// Runs when made; `done` is called once, as a later task, unless it is destroyed before. Actions:
// exec (fails with a non-zero exit code), httpGet, tcpSocket, sleep. kDeadlineExceeded after
// `timeout`.
//
// Thread safety: lives on the kubelet's executor. `done` may destroy it.
class LifecycleHook {
 public:
  LifecycleHook(const KubeletContext& context, const ContainerId& id, const kube::Json& action,
                const kube::Json& container, const std::string& pod_ip, base::Duration timeout,
                std::function<void(base::Result<>)> done);
  ~LifecycleHook();

 private:
  void Finish(base::Result<> result);

  std::function<void(base::Result<>)> done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  OneShot timer_;
};

}  // namespace enclave::cluster
