// A few threads and a bounded queue for work that blocks, so that the event loop never does.
//
// Thread safety: any thread. Ownership: destroying the pool finishes the tasks that run, drops
// those that wait, and joins the threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace enclave::observatory::api {

class WorkerPool {
 public:
  using Task = std::function<void()>;

  // `name` is shown by ps and top, at most 15 characters.
  WorkerPool(const std::string& name, std::size_t threads, std::size_t max_waiting);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False when the queue is full: the task will not run. Tasks do not throw.
  [[nodiscard]] bool Try(Task task);

  std::size_t waiting() const;
  std::size_t running() const;

 private:
  void Work();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  const std::size_t max_waiting_;
  // Guarded by mutex_.
  std::deque<Task> queue_;
  std::size_t running_ = 0;
  bool stopping_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace enclave::observatory::api
