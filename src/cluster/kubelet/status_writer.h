// Writes one pod's status: only when it differs from what the API has, at once when somebody waits
// for it, and never more than ten times a second for the rest.
//
// Thread safety: lives on the kubelet's executor.
#pragma once

#include <functional>

#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/one_shot.h"

namespace enclave::cluster {

class StatusWriter {
 public:
  // `again`: ask the pod for its status once more, because a write is due or failed.
  StatusWriter(const KubeletContext& context, std::function<void()> again);

  // `pod` is the newest known object; after a write it is what the API answered. True when the API
  // has this status now. `status` holds no nulls: the API drops them, so it would never be equal to
  // what is stored.
  bool Offer(kube::ObjectPtr& pod, const kube::Json& status, bool urgent = false);

 private:
  static constexpr base::Duration kBetweenWrites = std::chrono::milliseconds(100);

  const KubeletContext& context_;
  const std::function<void()> again_;
  base::MonoTime last_write_ = base::MonoTime::min();
  base::Duration retry_delay_{};
  OneShot timer_;
};

}  // namespace enclave::cluster
