#include "base/simulated_executor.h"

#include <algorithm>

namespace enclave::base {

Executor::TimerId SimulatedExecutor::After(Duration delay, Task task) {
  const MonoTime due = now_ + std::max(delay, Duration::zero());
  const std::uint64_t id = ++last_id_;
  queue_.emplace(Due{due, id}, std::move(task));
  due_by_id_.emplace(id, due);
  return static_cast<TimerId>(id);
}

void SimulatedExecutor::Cancel(TimerId id) {
  const auto found = due_by_id_.find(static_cast<std::uint64_t>(id));
  if (found == due_by_id_.end()) return;
  queue_.erase(Due{found->second, found->first});
  due_by_id_.erase(found);
}

bool SimulatedExecutor::RunOne() {
  if (queue_.empty()) return false;
  auto next = queue_.extract(queue_.begin());
  now_ = std::max(now_, next.key().first);
  due_by_id_.erase(next.key().second);
  next.mapped()();
  return true;
}

void SimulatedExecutor::RunFor(Duration span) {
  const MonoTime end = now_ + span;
  while (NextDue() <= end) RunOne();
  now_ = end;
}

MonoTime SimulatedExecutor::NextDue() const {
  return queue_.empty() ? MonoTime::max() : queue_.begin()->first.first;
}

}  // namespace enclave::base
