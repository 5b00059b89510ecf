// The port through which code gets time and turns. Controllers, scheduler and kubelet run as
// callbacks on an Executor and never sleep, read a clock or start a thread themselves, so the same
// code runs on real time (net::EventLoop) and on virtual time from a seed (SimulatedExecutor).
//
// Thread safety: all methods may be called from any thread. All tasks of one Executor run one at a
// time. Ownership: an Executor outlives everything that posts to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace enclave::base {

using Duration = std::chrono::nanoseconds;
// Wall-clock time, UTC, for what is shown or stored. Never for measuring intervals.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
// Monotonic time since an arbitrary start, for intervals and deadlines.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime WallNow() const = 0;
  virtual MonoTime Now() const = 0;
};

// The machine's clocks.
Clock& SystemClock();

class Executor : public Clock {
 public:
  using Task = std::function<void()>;
  enum class TimerId : std::uint64_t { kNone = 0 };

  // Runs `task` after those posted before it.
  virtual void Post(Task task) = 0;
  // Runs `task` once, not before `delay` has passed. The id stays valid until it ran or was
  // cancelled.
  virtual TimerId After(Duration delay, Task task) = 0;
  // Called from a task of this executor: the timer's task will not run. Unknown or past ids are
  // ignored.
  virtual void Cancel(TimerId id) = 0;
};

}  // namespace enclave::base
