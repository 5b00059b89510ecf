// The one loop of all controllers: a queue of keys, each reconciled alone, with back-off per key.
//
// A key enqueued several times before its turn is reconciled once. A failed reconcile is repeated
// after `base_delay` doubling to `max_delay`, with jitter; success resets it. kConflict is repeated
// at once, from the fourth in a row with back-off too. Nothing is reconciled before all informers
// of the set are synced.
//
// Thread safety: lives on one executor and is called from its tasks only.
#pragma once

#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "kube/informer.h"

namespace enclave::kube {

struct ObjectName {
  std::string ns;
  std::string name;
  auto operator<=>(const ObjectName&) const = default;
};

class Reconciler {
 public:
  // The value is when to reconcile the key again without an event; nullopt: only on events.
  using Outcome = base::Result<std::optional<base::Duration>>;
  struct Options {
    std::string name;  // for logs and metrics: "deployment"
    base::Duration base_delay = std::chrono::milliseconds(5);
    base::Duration max_delay = std::chrono::seconds(60);
  };

  Reconciler(SharedInformers& informers, Options options,
             std::function<Outcome(const ObjectName&)> reconcile);
  ~Reconciler();
  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  void Enqueue(const ObjectName& key);
  void EnqueueAfter(const ObjectName& key, base::Duration delay);
  // Each changed object of the informer enqueues its own key.
  void EnqueueChangesOf(Informer& informer);
  // Each changed object enqueues the key of its controlling owner, when that is of `owner` kind.
  void EnqueueOwnersOf(Informer& informer, const Kind& owner);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // tasks under way know it weakly
};

// Records Events as Kubernetes does: repeats of the same (object, reason, message) bump `count` and
// lastTimestamp of one Event object; bounded memory; a failed write is dropped, never retried for
// ever.
class EventRecorder {
 public:
  EventRecorder(SharedInformers& informers, std::string component);
  ~EventRecorder();
  EventRecorder(const EventRecorder&) = delete;
  EventRecorder& operator=(const EventRecorder&) = delete;
  // `type` is "Normal" or "Warning". The write follows in a task of its own. `field_path` names a
  // part of the object: "spec.containers{web}".
  void Record(const Object& regarding, std::string_view type, std::string_view reason,
              const std::string& message, std::string_view field_path = "");

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // tasks under way know it weakly
};

}  // namespace enclave::kube
