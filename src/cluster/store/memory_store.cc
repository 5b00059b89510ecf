#include "cluster/store/memory_store.h"

#include <utility>

#include "cluster/store/batch.h"
#include "cluster/store/store_thread.h"

namespace enclave::cluster {

MemoryStore::MemoryStore(Options options)
    : options_(options), core_(options.history, {}, kube::Revision::kNone) {}

kube::ObjectPtr MemoryStore::Get(const Key& key) const {
  return core_.Get(key);
}

kube::ObjectList MemoryStore::List(const std::string& resource, const std::string& ns) const {
  return core_.List(resource, ns);
}

kube::Revision MemoryStore::revision() const {
  return core_.revision();
}

void MemoryStore::Apply(Key key, Mutation mutation, WriteDone done) {
  Queued write{std::move(key), std::move(mutation), std::move(done)};
  if (StoreThreadScope::Inside(this)) {
    if (queue_.size() >= options_.queue_limit) {
      write.done(base::Fail(base::ErrorKind::kResourceExhausted, "too many writes are queued"));
    } else {
      queue_.push_back(std::move(write));
    }
    return;
  }
  std::lock_guard turn(turn_);
  StoreThreadScope scope(this);
  queue_.push_back(std::move(write));
  Drain();
}

base::Result<std::unique_ptr<Subscription>> MemoryStore::Subscribe(const std::string& resource,
                                                                   kube::Revision from,
                                                                   ChangeSink sink) {
  auto subscription = core_.Subscribe(resource, from, std::move(sink));
  if (!subscription || StoreThreadScope::Inside(this)) return subscription;
  std::lock_guard turn(turn_);
  StoreThreadScope scope(this);
  Drain();
  return subscription;
}

void MemoryStore::Drain() {
  core_.StartSubscribers();
  while (!queue_.empty()) {
    Queued write = std::move(queue_.front());
    queue_.pop_front();
    Batch batch(core_, core_.revision());
    Batch::Outcome outcome = batch.Run(write.key, write.mutation);
    changes_ += batch.commits().size();
    core_.Publish(batch.commits());
    if (write.done) write.done(std::move(outcome.result));
    core_.StartSubscribers();
  }
}

StoreMetrics MemoryStore::metrics() const {
  StoreMetrics metrics;
  core_.FillMetrics(metrics);
  metrics.changes = changes_;
  metrics.commits = changes_;
  return metrics;
}

}  // namespace enclave::cluster
