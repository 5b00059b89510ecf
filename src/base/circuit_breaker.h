// Stops asking a service that keeps failing, and asks it again carefully.
//
//              | succeeds          | fails                         | time passes
//   closed     | counted           | counted; too many: open       | old calls are forgotten
//   open       | (no call is made) | (no call is made)             | after `open_for`: half-open
//   half-open  | enough: closed    | open                          |
//
// Too many: at least `minimum_calls` within `window`, and a greater share of them than `error_rate`
// failed. Half-open lets one call through at a time; one that never reports makes room for the next
// after `open_for`.
//
// Thread safety: any thread. `on_change` is called without a lock held, on the thread whose call or
// report changed the state.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

#include "base/executor.h"

namespace enclave::base {

class CircuitBreaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };
  struct Options {
    Duration window = std::chrono::seconds(60);
    double error_rate = 0.2;  // opens above it
    std::size_t minimum_calls = 5;
    Duration open_for = std::chrono::seconds(30);
    std::size_t probes_to_close = 2;
  };
  using OnChange = std::function<void(State from, State to)>;

  CircuitBreaker(const Clock& clock, Options options, OnChange on_change = {});

  // Whether a call may be made now. Each call that was let through reports once.
  bool Allow();
  void Report(bool success);
  State state() const;

 private:
  struct Call {
    MonoTime time;
    bool success;
  };
  void Forget(MonoTime now);
  bool TooMany() const;
  void Change(State to, MonoTime now);

  // Calls kept: beyond them the oldest count no more.
  static constexpr std::size_t kMostCalls = 10'000;

  const Clock& clock_;
  const Options options_;
  const OnChange on_change_;
  mutable std::mutex mutex_;
  State state_ = State::kClosed;
  std::deque<Call> calls_;
  std::size_t failures_ = 0;
  MonoTime since_{};     // of the present state
  MonoTime probe_at_{};  // when the probe under way was let through
  bool probing_ = false;
  std::size_t probes_ = 0;  // that succeeded
};

}  // namespace enclave::base
