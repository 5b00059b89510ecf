#include "telemetry/workers.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace enclave::telemetry {

struct ThreadWorkers::Impl {
  void Run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      Task task = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds may end here, without the lock
      lock.lock();
    }
  }

  const std::size_t max_queued;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;     // guarded by mutex
  std::deque<Task> queue{};  // guarded by mutex
  std::vector<std::thread> threads{};
};

ThreadWorkers::ThreadWorkers(const std::string& name, int threads, std::size_t max_queued)
    : impl_(new Impl{.max_queued = max_queued}) {
  for (int i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get(), name] {
      pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
      impl->Run();
    });
  }
}

ThreadWorkers::~ThreadWorkers() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

bool ThreadWorkers::Submit(Task task) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->max_queued) return false;
    impl_->queue.push_back(std::move(task));
  }
  impl_->changed.notify_one();
  return true;
}

}  // namespace enclave::telemetry
