#include "worker_pool.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"

namespace enclave::observatory::api {

WorkerPool::WorkerPool(const std::string& name, std::size_t threads, std::size_t max_waiting)
    : max_waiting_(max_waiting) {
  CHECK(threads > 0, "a pool without threads answers nobody");
  CHECK(name.size() <= 15, "the kernel takes names of up to 15 characters");
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(); });
    ::pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::Try(Task task) {
  {
    const std::lock_guard lock(mutex_);
    // With an idle thread the queue only hands over, whatever its bound.
    if (stopping_ || queue_.size() >= max_waiting_ + (threads_.size() - running_)) return false;
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

std::size_t WorkerPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::size_t WorkerPool::running() const {
  const std::lock_guard lock(mutex_);
  return running_;
}

void WorkerPool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    Task task = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    task();
    task = nullptr;  // what it holds is let go outside the lock
    lock.lock();
    --running_;
  }
}

}  // namespace enclave::observatory::api
