#include "cluster/kubelet/probe_loop.h"

#include <algorithm>

namespace enclave::cluster {

ProbeLoop::ProbeLoop(base::Executor& executor, Prober& prober, ContainerId id, ProbeSpec spec,
                     base::Duration age, bool eager, bool passing, Callbacks callbacks)
    : executor_(executor),
      prober_(prober),
      id_(std::move(id)),
      spec_(std::move(spec)),
      callbacks_(std::move(callbacks)),
      passing_(passing),
      timer_(executor) {
  const base::Duration delay = std::max(base::Duration::zero(), spec_.initial_delay - age);
  if (eager) {
    retry_ = kFirstRetry;
    next_count_ = executor_.Now() + delay + spec_.period;
  } else {
    next_count_ = executor_.Now() + delay;
  }
  timer_.Set(delay, [this] { RunOnce(); });
}

ProbeLoop::~ProbeLoop() {
  *alive_ = false;
}

void ProbeLoop::RunOnce() {
  if (!spec_.fault.empty()) {
    HandleResult(base::Fail(base::ErrorKind::kInvalidArgument, spec_.fault));
    return;
  }
  prober_.Run(id_, spec_.probe, [this, alive = alive_](base::Result<> result) {
    if (*alive) HandleResult(result);
  });
}

void ProbeLoop::HandleResult(const base::Result<>& result) {
  const base::MonoTime now = executor_.Now();
  base::Duration next = spec_.period;
  // Set before the callbacks, which may destroy this loop.
  if (result) {
    retry_ = {};
    next_count_ = now + spec_.period;
    failures_ = 0;
    ++successes_;
    timer_.Set(next, [this] { RunOnce(); });
    if (!passing_ && successes_ >= spec_.success_threshold) {
      passing_ = true;
      const auto succeeded = callbacks_.succeeded;
      succeeded();
    }
    return;
  }
  successes_ = 0;
  if (retry_ != base::Duration::zero()) {
    next = std::min(retry_, spec_.period);
    retry_ = retry_ < spec_.period ? retry_ * 2 : base::Duration::zero();
  }
  const bool counts = now >= next_count_;
  if (counts) {
    next_count_ = now + spec_.period;
  } else {
    next = std::min(next, next_count_ - now);
  }
  timer_.Set(next, [this] { RunOnce(); });
  if (!counts) return;
  ++failures_;
  const std::string message = result.error().message();
  const bool over = failures_ >= spec_.failure_threshold;
  const std::shared_ptr<bool> alive = alive_;
  callbacks_.unhealthy(message);
  if (!*alive || !over) return;
  failures_ = 0;
  passing_ = false;
  const auto failed = callbacks_.failed;
  failed(message);
}

}  // namespace enclave::cluster
