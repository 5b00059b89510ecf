// The port to a Kubernetes API: the cluster's own, in process (cluster/api/local_api.h), or any
// real one over HTTPS (kube/client.h). Controllers, scheduler, kubelet and agent see only this.
//
// Calls block until the server answered; a write that returned is durable. Error kinds are those of
// the API's Status (base/result.h), so callers treat kNotFound, kConflict, kAlreadyExists and
// kExpired alike for both worlds.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "kube/kind.h"
#include "kube/object.h"
#include "kube/selector.h"

namespace enclave::kube {

struct ListOptions {
  std::string ns;  // "": all namespaces
  LabelSelector labels;
  FieldSelector fields;
};

struct ObjectList {
  std::vector<ObjectPtr> items;  // ordered by namespace, then name
  Revision revision = Revision::kNone;
};

enum class PatchType { kMerge, kStrategicMerge, kJson };

struct DeleteOptions {
  // Background, Foreground or Orphan; empty: the kind's default (Background).
  std::string propagation;
  std::optional<std::int64_t> grace_period_seconds;
  std::string uid;                      // precondition when not empty
  Revision revision = Revision::kNone;  // precondition when not kNone
};

enum class EventType { kAdded, kModified, kDeleted, kBookmark, kError };

struct WatchEvent {
  EventType type;
  ObjectPtr object;  // the state after the event; for kDeleted the last state
  Revision revision = Revision::kNone;
  std::optional<base::Error> error;  // with kError: the watch is over; kExpired means list again
};

// Ends the watch when destroyed; from a task of the executor no further callback runs after that.
class WatchHandle {
 public:
  virtual ~WatchHandle() = default;
};

class Api {
 public:
  virtual ~Api() = default;

  virtual base::Result<ObjectPtr> Get(const Kind& kind, const std::string& ns,
                                      const std::string& name) = 0;
  virtual base::Result<ObjectList> List(const Kind& kind, const ListOptions& options) = 0;
  virtual base::Result<ObjectPtr> Create(const Kind& kind, const std::string& ns, Json object) = 0;
  // PUT. metadata.resourceVersion in `object` is the optimistic precondition; without it
  // unconditional. `subresource` "" or "status".
  virtual base::Result<ObjectPtr> Update(const Kind& kind, Json object,
                                         const std::string& subresource = "") = 0;
  virtual base::Result<ObjectPtr> Patch(const Kind& kind, const std::string& ns,
                                        const std::string& name, PatchType type, const Json& patch,
                                        const std::string& subresource = "") = 0;
  // The object as it stands after the call: still there with a deletionTimestamp, or its last
  // state.
  virtual base::Result<ObjectPtr> Delete(const Kind& kind, const std::string& ns,
                                         const std::string& name, const DeleteOptions& options) = 0;
  // Events after `from`, in order, as tasks on `executor`.
  virtual base::Result<std::unique_ptr<WatchHandle>> Watch(
      const Kind& kind, const ListOptions& options, Revision from, base::Executor& executor,
      std::function<void(const WatchEvent&)> on_event) = 0;
};

}  // namespace enclave::kube
