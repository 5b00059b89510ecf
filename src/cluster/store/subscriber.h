// One watcher's end: its sink, and the rule that the sink neither runs nor will run once the
// subscription was ended, whichever thread ends it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "cluster/store/store.h"

namespace enclave::cluster {

class Subscriber {
 public:
  Subscriber(std::string resource, kube::Revision from, ChangeSink sink)
      : resource(std::move(resource)), from(from), sink_(std::move(sink)) {}

  // On the store's thread.
  void Deliver(const Change& change);
  // From any thread; from within the own sink it returns at once, otherwise it waits for a running
  // sink to return.
  void End();
  bool ended() const { return ended_.load(std::memory_order_acquire); }

  const std::string resource;
  const kube::Revision from;

 private:
  std::atomic<bool> ended_ = false;
  std::atomic<std::thread::id> running_;  // the thread inside the sink
  std::mutex mutex_;                      // held while the sink runs
  ChangeSink sink_;                       // guarded by mutex_; empty once ended
};

// What Subscribe hands out. `ended_count` tells the core how many of its subscribers are waste.
std::unique_ptr<Subscription> MakeSubscription(std::shared_ptr<Subscriber> subscriber,
                                               std::shared_ptr<std::atomic<std::size_t>> ended);

}  // namespace enclave::cluster
