// Threads for work that blocks (queries, durable writes), apart from the loop that decides what is
// done when. A port, so that the same code runs on virtual time: there the work runs as a task of
// the simulated executor.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/executor.h"

namespace enclave::telemetry {

class Workers {
 public:
  using Task = std::function<void()>;
  virtual ~Workers() = default;
  // Runs `task` soon on a thread that may block. False: the bounded queue is full, or the pool is
  // stopping; the task is dropped.
  [[nodiscard]] virtual bool Submit(Task task) = 0;
};

class ThreadWorkers final : public Workers {
 public:
  // Names of threads have at most 15 characters.
  ThreadWorkers(const std::string& name, int threads, std::size_t max_queued);
  // Runs what is queued, then joins. What tasks refer to outlives the pool.
  ~ThreadWorkers() override;
  bool Submit(Task task) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Work as tasks of an executor.
class InlineWorkers final : public Workers {
 public:
  explicit InlineWorkers(base::Executor& executor) : executor_(executor) {}
  bool Submit(Task task) override {
    executor_.Post(std::move(task));
    return true;
  }

 private:
  base::Executor& executor_;
};

}  // namespace enclave::telemetry
