// The object store: every object of the cluster under its key, one global revision counter, watches
// with replay from a bounded history. What etcd is to Kubernetes.
//
// Invariants:
//  - A write that was acknowledged is on disk; a write that was not acknowledged is there whole or
//  not.
//  - Each committed change has its own revision, larger than all before;
//  object.metadata.resourceVersion
//    is the revision of its last change.
//  - A watcher gets each change of its resource once, in revision order, after it is durable.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "kube/api.h"
#include "kube/object.h"

namespace enclave::cluster {

struct Key {
  std::string resource;  // Kind::GroupResource()
  std::string ns;        // "" when cluster-scoped
  std::string name;
  auto operator<=>(const Key&) const = default;
};

struct Put {
  kube::Json object;  // metadata.resourceVersion is set by the store
};
struct Remove {
  kube::Json last_state;  // what watchers see as DELETED
};
struct Keep {};  // no change; the caller gets the current object (which may be null)
using Write = std::variant<Put, Remove, Keep>;

// Computes the change from the current object (null when absent). Runs alone against all other
// writes, on the store's thread: it must not block or call the store. An error leaves everything as
// it was.
using Mutation = std::function<base::Result<Write>(const kube::ObjectPtr& current)>;
// The object after the write: the new state, or for Remove the last state.
using WriteDone = std::function<void(base::Result<kube::ObjectPtr>)>;

struct Change {
  kube::EventType type;      // kAdded, kModified, kDeleted
  kube::ObjectPtr object;    // after the change; for kDeleted the last state with the new revision
  kube::ObjectPtr previous;  // before it; null for kAdded
  kube::Revision revision;
};

// Called in revision order, on the store's thread: it must not block. The change is already visible
// to Get and List. It may read the store, Apply (which queues), Subscribe and end subscriptions.
using ChangeSink = std::function<void(const Change&)>;

// Ends the subscription when destroyed; the sink is not running and will not run after that. The
// destructor waits for a running sink, so the destroying thread must hold no lock that the sink
// takes. A sink may destroy its own subscription: it is then not called again. May outlive the
// store.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// Counters since the store was opened, and gauges of now.
struct StoreMetrics {
  std::map<std::string, std::size_t> objects;  // by resource
  std::uint64_t changes = 0;                   // committed puts and removals
  std::uint64_t commits = 0;                // transactions made durable; changes / commits: batch
  std::uint64_t failed_commits = 0;         // transactions the disk refused
  std::uint64_t refused_writes = 0;         // refused because the queue was full
  std::chrono::nanoseconds commit_time{0};  // spent in durable commits, mostly fsync
  std::uint64_t largest_batch = 0;          // changes in one transaction
  std::size_t queue_length = 0;
  std::size_t history_changes = 0;
  std::size_t history_bytes = 0;  // estimated memory
  std::size_t subscriptions = 0;
  std::uint64_t disk_bytes = 0;  // database and log
};

class Store {
 public:
  virtual ~Store() = default;

  virtual kube::ObjectPtr Get(const Key& key) const = 0;  // null when absent
  // All objects of a resource, of one namespace or (ns "") of all, ordered by key, at one revision.
  virtual kube::ObjectList List(const std::string& resource, const std::string& ns) const = 0;
  virtual kube::Revision revision() const = 0;  // of the last committed change

  // Queues a write; `done` is called once, on the store's thread, after the change is durable,
  // visible to reads and given to the sinks. When the queue is full `done` gets kResourceExhausted
  // at once, on the calling thread; when the disk refuses, kUnavailable, and reads go on.
  virtual void Apply(Key key, Mutation mutation, WriteDone done) = 0;

  // Changes of `resource` after revision `from`: first those from history, then live, without a
  // gap. kExpired when history does not reach back that far; kDeadlineExceeded ("Too large resource
  // version") when `from` is still to come. `from` kNone: live only, from now on. The sink may be
  // called before this returns.
  virtual base::Result<std::unique_ptr<Subscription>> Subscribe(const std::string& resource,
                                                                kube::Revision from,
                                                                ChangeSink sink) = 0;

  virtual StoreMetrics metrics() const { return {}; }
};

// Apply and wait; never from the store's thread.
base::Result<kube::ObjectPtr> ApplyAndWait(Store& store, Key key, Mutation mutation);

}  // namespace enclave::cluster
