// An Asio io_context with its threads, as an Executor on real time.
//
// Thread safety: the Executor side runs all tasks on one strand, so they never overlap, whatever
// the number of threads. Coroutines started on context() choose their own strand.
#pragma once

#include <memory>
#include <string>

#include "base/executor.h"

namespace boost::asio {
class io_context;
}

namespace enclave::net {

class EventLoop final : public base::Executor {
 public:
  // Starts `threads` threads named `name` (at most 15 characters, shown by ps and top).
  explicit EventLoop(const std::string& name, int threads = 1);
  // Stops as Stop() does.
  ~EventLoop() override;

  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  base::WallTime WallNow() const override;
  base::MonoTime Now() const override;
  void Post(Task task) override;
  TimerId After(base::Duration delay, Task task) override;
  void Cancel(TimerId id) override;

  // Runs no further tasks and joins the threads; timers and posts from then on are dropped. Must
  // not be called from a task. Idempotent.
  void Stop();

  boost::asio::io_context& context();
  int threads() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::net
