// One probe of one run of a container, again and again.
//
// Kubernetes waits a whole period after a failed first probe. Here a container that is not ready
// yet is asked again after 20 ms, 40 ms and so on up to the period, so that it is seen Ready within
// milliseconds of being so. These early failures are silent: failures count, towards the threshold
// and as events, once per period only, the first a period after the start. A startup probe thus
// gives the program failureThreshold * periodSeconds, as documented.
//
// Thread safety: lives on the executor. A destroyed loop calls nothing any more.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/kubelet/one_shot.h"
#include "cluster/kubelet/probe_spec.h"

namespace enclave::cluster {

class ProbeLoop {
 public:
  static constexpr base::Duration kFirstRetry = std::chrono::milliseconds(20);

  struct Callbacks {
    std::function<void()> succeeded;                            // successThreshold reached
    std::function<void(const std::string& message)> failed;     // failureThreshold reached
    std::function<void(const std::string& message)> unhealthy;  // each failure that counts
  };

  // `age`: how long the container runs already. `eager`: ask often until the first success.
  // `passing`: the state it begins in; only changes from it are called back.
  ProbeLoop(base::Executor& executor, Prober& prober, ContainerId id, ProbeSpec spec,
            base::Duration age, bool eager, bool passing, Callbacks callbacks);
  ~ProbeLoop();

  const ProbeSpec& spec() const { return spec_; }

 private:
  void RunOnce();
  void HandleResult(const base::Result<>& result);

  base::Executor& executor_;
  Prober& prober_;
  const ContainerId id_;
  const ProbeSpec spec_;
  const Callbacks callbacks_;
  bool passing_;
  base::Duration retry_{};  // of the eager phase; zero: it is over
  base::MonoTime next_count_{};
  std::int64_t successes_ = 0;
  std::int64_t failures_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  OneShot timer_;
};

}  // namespace enclave::cluster
