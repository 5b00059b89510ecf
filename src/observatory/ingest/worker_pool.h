// A few threads that take tasks from a bounded queue: where blocking work of calls that came on
// somebody else's threads is done.
//
// Thread safety: any thread. The pool joins its threads when it is destroyed, after every task that
// was taken has run.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace enclave::observatory::ingest {

class WorkerPool {
 public:
  WorkerPool(std::size_t threads, std::size_t max_queued);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, and the task is dropped, when the queue is full.
  bool TrySubmit(std::function<void()> task);

 private:
  void Run();

  const std::size_t max_queued_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace enclave::observatory::ingest
