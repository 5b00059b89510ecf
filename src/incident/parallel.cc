#include "incident/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace enclave::incident {
namespace {

// Shared with helpers, who may come when all is done and find nothing left.
struct Round {
  Round(std::size_t items, const std::function<void(std::size_t)>& work)
      : items(items), work(&work) {}

  void Help() {
    std::size_t done = 0;
    while (true) {
      const std::size_t item = next.fetch_add(1, std::memory_order_relaxed);
      if (item >= items) break;
      (*work)(item);  // the caller waits while an item is being worked on
      ++done;
    }
    if (done == 0) return;
    const std::lock_guard lock(mutex);
    finished += done;
    changed.notify_all();
  }

  const std::size_t items;
  const std::function<void(std::size_t)>* work;
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t finished = 0;  // guarded by mutex
};

}  // namespace

void ForEach(telemetry::Workers* workers, std::size_t items,
             const std::function<void(std::size_t)>& work) {
  if (workers == nullptr || items < 2) {
    for (std::size_t item = 0; item < items; ++item) work(item);
    return;
  }
  const auto round = std::make_shared<Round>(items, work);
  for (std::size_t helper = 0; helper < std::min(items - 1, kMostHelpers); ++helper)
    if (!workers->Submit([round] { round->Help(); })) break;
  round->Help();
  std::unique_lock lock(round->mutex);
  round->changed.wait(lock, [&] { return round->finished == items; });
}

void ForEachRun(telemetry::Workers* workers, std::size_t items, std::size_t run,
                const std::function<void(std::size_t, std::size_t)>& work) {
  ForEach(workers, (items + run - 1) / run,
          [&](std::size_t number) { work(number * run, std::min(items, (number + 1) * run)); });
}

}  // namespace enclave::incident
