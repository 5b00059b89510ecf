// Virtual time: tasks run in order of their due time, then of posting; time jumps to the next due
// task. Single-threaded. The twin of net::EventLoop for simulation and unit tests.
#pragma once

#include <map>
#include <utility>

#include "base/executor.h"

namespace enclave::base {

class SimulatedExecutor final : public Executor {
 public:
  explicit SimulatedExecutor(WallTime start = WallTime(std::chrono::seconds(1'700'000'000)))
      : start_(start) {}

  WallTime WallNow() const override { return start_ + now_.time_since_epoch(); }
  MonoTime Now() const override { return now_; }
  void Post(Task task) override { After(Duration::zero(), std::move(task)); }
  TimerId After(Duration delay, Task task) override;
  void Cancel(TimerId id) override;

  // Runs the next task, moving time to it. False when there is none.
  bool RunOne();
  // Runs all tasks due within `span`, then moves time to its end.
  void RunFor(Duration span);
  // When the next task is due; MonoTime::max() when there is none.
  MonoTime NextDue() const;
  std::size_t pending() const { return queue_.size(); }

 private:
  using Due = std::pair<MonoTime, std::uint64_t>;
  WallTime start_;
  MonoTime now_{};
  std::uint64_t last_id_ = 0;
  std::map<Due, Task> queue_;
  std::map<std::uint64_t, MonoTime> due_by_id_;
};

}  // namespace enclave::base
