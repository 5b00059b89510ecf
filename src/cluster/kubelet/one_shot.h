// A timer that belongs to an object: set again it forgets its earlier task, destroyed it never
// runs.
#pragma once

#include <utility>

#include "base/executor.h"

namespace enclave::cluster {

// Thread safety: lives on its executor.
class OneShot {
 public:
  explicit OneShot(base::Executor& executor) : executor_(executor) {}
  ~OneShot() { Cancel(); }
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  void Set(base::Duration delay, base::Executor::Task task) {
    Cancel();
    id_ = executor_.After(delay, [this, task = std::move(task)] {
      id_ = base::Executor::TimerId::kNone;
      task();  // may destroy this timer
    });
  }
  void Cancel() {
    if (armed()) executor_.Cancel(id_);
    id_ = base::Executor::TimerId::kNone;
  }
  bool armed() const { return id_ != base::Executor::TimerId::kNone; }

 private:
  base::Executor& executor_;
  base::Executor::TimerId id_ = base::Executor::TimerId::kNone;
};

}  // namespace enclave::cluster
