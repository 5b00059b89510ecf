#include "cluster/kubelet/memory_watcher.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace enclave::cluster {
namespace {

constexpr base::Duration kShortest = std::chrono::milliseconds(100);
constexpr base::Duration kLongest = std::chrono::milliseconds(500);

}  // namespace

MemoryWatcher::MemoryWatcher(base::Executor& executor,
                             std::function<void(const ContainerId&, std::int64_t)> on_exceeded)
    : executor_(executor), on_exceeded_(std::move(on_exceeded)) {}

MemoryWatcher::~MemoryWatcher() = default;

void MemoryWatcher::Watch(const ContainerId& id, pid_t root, std::int64_t limit_bytes) {
  watched_.insert_or_assign(id, Watched{root, limit_bytes});
  Schedule(kShortest);
}

void MemoryWatcher::Forget(const ContainerId& id) {
  watched_.erase(id);
}

void MemoryWatcher::Schedule(base::Duration delay) {
  if (scheduled_ || watched_.empty()) return;
  scheduled_ = true;
  executor_.After(delay, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    Sample();
  });
}

void MemoryWatcher::Sample() {
  ProcessTable table = ProcessTable::Read();
  base::MonoTime now = executor_.Now();
  base::Duration since_last = now - last_sample_;
  last_sample_ = now;
  base::Duration next = kLongest;
  std::vector<std::pair<ContainerId, std::int64_t>> exceeded;
  for (auto& [id, watched] : watched_) {
    std::int64_t bytes = UsageOfTree(table, watched.root).memory_bytes;
    if (bytes > watched.limit_bytes) {
      exceeded.emplace_back(id, bytes);
      continue;
    }
    // At its present growth, when would it reach the limit? Look at half of that time.
    std::int64_t growth = bytes - watched.last_bytes;
    watched.last_bytes = bytes;
    if (growth > 0) {
      double periods =
          static_cast<double>(watched.limit_bytes - bytes) / static_cast<double>(growth);
      double wait_ns = std::min(periods, 1e6) * static_cast<double>(since_last.count()) / 2;
      next = std::min(next, base::Duration(static_cast<std::int64_t>(wait_ns)));
    }
    if (bytes > watched.limit_bytes / 10 * 8) next = kShortest;
  }
  for (const auto& [id, bytes] : exceeded) watched_.erase(id);
  Schedule(std::clamp(next, kShortest, kLongest));
  for (const auto& [id, bytes] : exceeded) on_exceeded_(id, bytes);
}

}  // namespace enclave::cluster
