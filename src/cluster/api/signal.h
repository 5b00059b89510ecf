// A coroutine's wait for something that another thread does. Lives on the coroutine's strand;
// Notify may be called from any thread and may outlive the wait.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace enclave::cluster {

class Signal : public std::enable_shared_from_this<Signal> {
 public:
  explicit Signal(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  // Returns once notified since the last Wait, or after `longest`. Throws when the coroutine is
  // cancelled.
  boost::asio::awaitable<void> Wait(std::chrono::nanoseconds longest);
  // Several calls before the waiter runs are one.
  void Notify();

 private:
  boost::asio::steady_timer timer_;
  std::atomic<bool> notified_ = false;
};

}  // namespace enclave::cluster
