// What every store is made of: the objects, the history, the subscribers, and the rule by which a
// commit becomes visible. A store adds only where commits come from and how they become durable.
//
// Thread safety: reads and Subscribe from any thread. The rest is for the store's thread, of which
// there is one at a time.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/store/fair_shared_mutex.h"
#include "cluster/store/history.h"
#include "cluster/store/object_table.h"
#include "cluster/store/store.h"
#include "cluster/store/subscriber.h"

namespace enclave::cluster {

class Core {
 public:
  // Replay begins after `revision`: what came before an opening is not kept.
  Core(HistoryLimits limits, ObjectTable objects, kube::Revision revision);

  kube::ObjectPtr Get(const Key& key) const;
  Entry Find(const Key& key) const;
  kube::ObjectList List(const std::string& resource, const std::string& ns) const;
  kube::Revision revision() const;
  void FillMetrics(StoreMetrics& metrics) const;

  // Checks and registers; the store's thread must then call StartSubscribers.
  base::Result<std::unique_ptr<Subscription>> Subscribe(const std::string& resource,
                                                        kube::Revision from, ChangeSink sink);
  // Replays history to the new subscribers and makes them live.
  void StartSubscribers();
  // Makes durable commits visible, then gives them to the sinks in order. New subscribers are
  // started first, so that no history they still need is dropped.
  void Publish(std::span<const Commit> commits);

 private:
  void Replay(Subscriber& subscriber);
  void Sweep();

  mutable FairSharedMutex mutex_;
  ObjectTable objects_ STORE_GUARDED_BY(mutex_);
  History history_ STORE_GUARDED_BY(mutex_);
  kube::Revision revision_ STORE_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Subscriber>> starting_ STORE_GUARDED_BY(mutex_);

  // Of the store's thread.
  std::map<std::string, std::vector<std::shared_ptr<Subscriber>>> live_;

  std::atomic<std::size_t> subscribers_ = 0;  // live, starting and ended but not swept
  std::shared_ptr<std::atomic<std::size_t>> ended_ =
      std::make_shared<std::atomic<std::size_t>>(0);  // of those, ended
};

}  // namespace enclave::cluster
