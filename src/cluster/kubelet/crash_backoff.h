// How long a container that ended waits before its next run (Kubernetes' CrashLoopBackOff): the
// first restart is at once, the next after 10 s, doubling to 300 s, all counted from the end of the
// last run; after 10 minutes of running it begins anew.
#pragma once

#include <algorithm>
#include <optional>

#include "base/executor.h"

namespace enclave::cluster {

class CrashBackoff {
 public:
  static constexpr base::Duration kFirst = std::chrono::seconds(10);
  static constexpr base::Duration kMost = std::chrono::seconds(300);
  static constexpr base::Duration kForgottenAfter = 2 * kMost;

  // What is left to wait at `now` when the last run ended at `ended`.
  base::Duration Remaining(base::MonoTime ended, base::MonoTime now) {
    if (ended - last_restart_ > kForgottenAfter) delay_ = {};
    return std::max(base::Duration::zero(), ended + delay_ - now);
  }
  void NoteRestart(base::MonoTime now) {
    delay_ = delay_ == base::Duration::zero() ? kFirst : std::min(2 * delay_, kMost);
    last_restart_ = now;
  }
  base::Duration delay() const { return delay_; }

 private:
  base::Duration delay_{};
  base::MonoTime last_restart_{};
};

}  // namespace enclave::cluster
