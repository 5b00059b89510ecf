// A store without a disk, for the simulator and for the unit tests of others: the same core, the
// same order of events as SqliteStore, without a thread.
//
// Apply runs inline: the mutation, the sinks and `done` are called on the calling thread before
// Apply returns; concurrent callers take turns. An Apply or Subscribe from within one of these
// callbacks is queued and runs when the current write is through, before the outer call returns.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "cluster/store/core.h"
#include "cluster/store/store.h"

namespace enclave::cluster {

class MemoryStore final : public Store {
 public:
  struct Options {
    HistoryLimits history;
    std::size_t queue_limit = 100'000;  // of writes queued by callbacks
  };

  MemoryStore() : MemoryStore(Options()) {}
  explicit MemoryStore(Options options);

  kube::ObjectPtr Get(const Key& key) const override;
  kube::ObjectList List(const std::string& resource, const std::string& ns) const override;
  kube::Revision revision() const override;
  void Apply(Key key, Mutation mutation, WriteDone done) override;
  base::Result<std::unique_ptr<Subscription>> Subscribe(const std::string& resource,
                                                        kube::Revision from,
                                                        ChangeSink sink) override;
  StoreMetrics metrics() const override;

 private:
  struct Queued {
    Key key;
    Mutation mutation;
    WriteDone done;
  };
  // Runs what is queued and starts new subscribers until there is nothing left to do.
  void Drain();

  const Options options_;
  Core core_;
  std::mutex turn_;           // held by the thread that acts as the store's thread
  std::deque<Queued> queue_;  // of the store's thread
  std::atomic<std::uint64_t> changes_ = 0;
};

}  // namespace enclave::cluster
