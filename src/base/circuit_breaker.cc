#include "base/circuit_breaker.h"

#include <utility>

#include "base/check.h"

namespace enclave::base {

CircuitBreaker::CircuitBreaker(const Clock& clock, Options options, OnChange on_change)
    : clock_(clock), options_(options), on_change_(std::move(on_change)) {
  CHECK(options.minimum_calls >= 1 && options.probes_to_close >= 1 &&
            options.window > Duration::zero() && options.error_rate >= 0 && options.error_rate < 1,
        "a breaker counts at least one call, in some window, against a rate below one");
}

void CircuitBreaker::Forget(MonoTime now) {
  while (!calls_.empty() &&
         (now - calls_.front().time >= options_.window || calls_.size() > kMostCalls)) {
    if (!calls_.front().success) --failures_;
    calls_.pop_front();
  }
}

bool CircuitBreaker::TooMany() const {
  return calls_.size() >= options_.minimum_calls &&
         static_cast<double>(failures_) > options_.error_rate * static_cast<double>(calls_.size());
}

void CircuitBreaker::Change(State to, MonoTime now) {
  state_ = to;
  since_ = now;
  probing_ = false;
  probes_ = 0;
  if (to != State::kHalfOpen) {
    calls_.clear();
    failures_ = 0;
  }
}

bool CircuitBreaker::Allow() {
  const MonoTime now = clock_.Now();
  State before{};
  bool allowed = true;
  {
    const std::lock_guard lock(mutex_);
    before = state_;
    if (state_ == State::kOpen && now - since_ >= options_.open_for) Change(State::kHalfOpen, now);
    if (state_ == State::kOpen) {
      allowed = false;
    } else if (state_ == State::kHalfOpen) {
      allowed = !probing_ || now - probe_at_ >= options_.open_for;
      if (allowed) {
        probing_ = true;
        probe_at_ = now;
      }
    }
  }
  if (before == State::kOpen && allowed && on_change_) on_change_(before, State::kHalfOpen);
  return allowed;
}

void CircuitBreaker::Report(bool success) {
  const MonoTime now = clock_.Now();
  State before{};
  State after{};
  {
    const std::lock_guard lock(mutex_);
    before = state_;
    if (state_ == State::kClosed) {
      calls_.push_back({now, success});
      if (!success) ++failures_;
      Forget(now);
      if (TooMany()) Change(State::kOpen, now);
    } else if (state_ == State::kHalfOpen && probing_) {
      probing_ = false;
      if (!success)
        Change(State::kOpen, now);
      else if (++probes_ >= options_.probes_to_close)
        Change(State::kClosed, now);
    }
    after = state_;
  }
  if (before != after && on_change_) on_change_(before, after);
}

CircuitBreaker::State CircuitBreaker::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

}  // namespace enclave::base
