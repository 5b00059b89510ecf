#include "net/event_loop.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include "base/check.h"

namespace enclave::net {

namespace asio = boost::asio;

struct EventLoop::Impl {
  using Strand = asio::strand<asio::io_context::executor_type>;

  struct Timer {
    Timer(const Strand& strand, base::Duration delay, Task t)
        : timer(strand, delay), task(std::move(t)) {}
    asio::steady_timer timer;
    Task task;
  };

  // Declared before the context: frames that the context destroys may still call After or Cancel.
  std::mutex mutex;
  bool stopped = false;
  std::uint64_t last_id = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Timer>> timers;
  std::vector<std::thread> workers;
  int worker_count = 0;

  std::optional<asio::io_context> context;
  std::optional<Strand> strand;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;

  // On the strand. The map decides whether a timer still counts: a cancelled one is not there any
  // more, although its wait may have ended just before.
  void Fire(std::uint64_t id) {
    Task task;
    {
      const std::lock_guard lock(mutex);
      const auto found = timers.find(id);
      if (found == timers.end()) return;
      task = std::move(found->second->task);
      timers.erase(found);
    }
    task();
  }

  ~Impl() {
    // Timers go before the context that they are registered with, tasks outside of the lock.
    decltype(timers) left;
    {
      const std::lock_guard lock(mutex);
      left.swap(timers);
    }
    left.clear();
    work.reset();
    strand.reset();
    context.reset();
  }
};

EventLoop::EventLoop(const std::string& name, int threads) : impl_(std::make_unique<Impl>()) {
  CHECK(threads >= 1, "an event loop needs a thread");
  impl_->worker_count = threads;
  impl_->context.emplace(threads);
  impl_->strand.emplace(impl_->context->get_executor());
  impl_->work.emplace(impl_->context->get_executor());
  for (int i = 0; i < threads; ++i) {
    impl_->workers.emplace_back([impl = impl_.get(), thread_name = name.substr(0, 15)] {
      pthread_setname_np(pthread_self(), thread_name.c_str());
      // Tasks do not throw; one that does ends the process with its message rather than being
      // half done.
      impl->context->run();
    });
  }
}

EventLoop::~EventLoop() {
  Stop();
}

base::WallTime EventLoop::WallNow() const {
  return std::chrono::system_clock::now();
}

base::MonoTime EventLoop::Now() const {
  return std::chrono::steady_clock::now();
}

void EventLoop::Post(Task task) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return;
  }
  asio::post(*impl_->strand, std::move(task));
}

EventLoop::TimerId EventLoop::After(base::Duration delay, Task task) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stopped) return TimerId::kNone;
  const std::uint64_t id = ++impl_->last_id;
  auto timer = std::make_unique<Impl::Timer>(
      *impl_->strand, std::max(delay, base::Duration::zero()), std::move(task));
  timer->timer.async_wait(asio::bind_executor(
      *impl_->strand,
      [impl = impl_.get(), id](const boost::system::error_code&) { impl->Fire(id); }));
  impl_->timers.emplace(id, std::move(timer));
  return static_cast<TimerId>(id);
}

void EventLoop::Cancel(TimerId id) {
  std::unique_ptr<Impl::Timer> cancelled;  // its task is destroyed outside of the lock
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->timers.find(static_cast<std::uint64_t>(id));
  if (found == impl_->timers.end()) return;
  cancelled = std::move(found->second);
  impl_->timers.erase(found);
}

void EventLoop::Stop() {
  std::vector<std::thread> workers;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
    workers.swap(impl_->workers);
  }
  impl_->context->stop();
  for (auto& worker : workers) {
    CHECK(worker.get_id() != std::this_thread::get_id(), "a loop is not stopped by its own task");
    worker.join();
  }
}

asio::io_context& EventLoop::context() {
  return *impl_->context;
}

int EventLoop::threads() const {
  return impl_->worker_count;
}

}  // namespace enclave::net
