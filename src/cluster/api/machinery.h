// What the API does with objects, apart from how requests come in: create, update, patch, delete,
// list and watch any kind of the Registry, by the rules that are the same for all kinds.
//
// A write is computed on the calling thread from the object as it stands, and committed if it still
// stands so; otherwise it is computed again, alone against all other writes. So a patch never fails
// for a race, only for a stale metadata.resourceVersion that it holds itself.
//
// Rules (Kubernetes, "API concepts", and k8s.io/apiserver/pkg/registry):
//  - uid, creationTimestamp, generation and the deletion fields are the server's; generation rises
//    with each change of spec.
//  - A write that changes nothing is not written; its revision is the old one.
//  - Create needs an active namespace. Deleted objects with finalizers or with a grace period stay
//    with a deletionTimestamp until the last finalizer goes and the grace is 0.
//  - List pages of one list are of one revision as long as the snapshot is kept (kMaxSnapshots,
//    kSnapshotLife); afterwards kExpired, as in Kubernetes.
//
// Thread safety: all methods may be called from any thread. Callbacks of writes come on the store's
// thread, or on the calling thread when there was nothing to write. The store, registry, clock and
// random outlive this; `random` is used by one thread at a time.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "cluster/api/registry.h"
#include "cluster/api/resource.h"
#include "cluster/store/store.h"
#include "kube/api.h"
#include "kube/status.h"

namespace enclave::cluster {

enum class FieldValidation { kIgnore, kWarn, kStrict };  // of unknown fields

struct WriteOptions {
  Requester who;
  bool dry_run = false;
  FieldValidation field_validation = FieldValidation::kWarn;
  std::string trace_id;  // noted in the objects that the write changes (trace_note.h)
  // A client's own change, not one that the cluster makes in consequence of another: without a
  // trace it ends the object's.
  bool of_client = false;
  bool names_trace = false;  // set by Machinery: the client wrote the annotation itself
};

struct WriteResult {
  // After the write; for a removal the last state.
  base::Result<kube::ObjectPtr> object;
  kube::StatusDetails details{};        // for a Status about it
  std::vector<std::string> warnings{};  // for the Warning header
  bool removed = false;                 // the object is gone
  bool unchanged = false;               // there was nothing to write
};
using WriteCallback = std::function<void(WriteResult)>;

struct Filter {
  std::string ns;  // "": all
  kube::LabelSelector labels;
  kube::FieldSelector fields;

  bool Matches(const kube::Object& object) const;
};

struct Page {
  std::vector<kube::ObjectPtr> items;
  kube::Revision revision = kube::Revision::kNone;
  std::string continue_token;             // "" on the last page
  std::optional<std::int64_t> remaining;  // items after this page, when known
};

class Machinery {
 public:
  static constexpr std::size_t kMaxSnapshots = 32;
  static constexpr std::chrono::minutes kSnapshotLife{5};

  Machinery(Store& store, const Registry& registry, base::Clock& clock, base::Random& random);
  ~Machinery();
  Machinery(const Machinery&) = delete;
  Machinery& operator=(const Machinery&) = delete;

  // `ns` is the request's; the object's own must be the same or absent.
  void Create(const ResourcePtr& resource, const std::string& ns, kube::Json object,
              const WriteOptions& options, WriteCallback done);
  // PUT of the object or of a subresource's view ("" is the object).
  void Update(const ResourcePtr& resource, const std::string& ns, const std::string& name,
              const std::string& subresource, kube::Json body, const WriteOptions& options,
              WriteCallback done);
  void Patch(const ResourcePtr& resource, const std::string& ns, const std::string& name,
             const std::string& subresource, kube::PatchType type, kube::Json patch,
             const WriteOptions& options, WriteCallback done);
  // Any other change: `edit` makes the wanted body out of the current view. It may run several
  // times and on the store's thread. The base of Update and Patch, and of what is to come.
  using Edit = std::function<base::Result<kube::Json>(const kube::Json& view)>;
  void Change(const ResourcePtr& resource, const std::string& ns, const std::string& name,
              const std::string& subresource, Edit edit, const WriteOptions& options,
              WriteCallback done);
  void Delete(const ResourcePtr& resource, const std::string& ns, const std::string& name,
              const kube::DeleteOptions& how, const WriteOptions& options, WriteCallback done);
  // Deletes what matches now, one by one; the first error but kNotFound is the result.
  void DeleteCollection(const ResourcePtr& resource, const Filter& filter,
                        const kube::DeleteOptions& how, const WriteOptions& options,
                        std::function<void(base::Result<std::vector<kube::ObjectPtr>>)> done);

  base::Result<kube::ObjectPtr> Get(const Resource& resource, const std::string& ns,
                                    const std::string& name) const;
  // `limit` 0: no paging. kExpired for a token whose snapshot is gone; kInvalidArgument for one
  // that this server never gave, and for selectors on fields that cannot be selected by.
  base::Result<Page> List(const Resource& resource, const Filter& filter, std::size_t limit = 0,
                          const std::string& continue_token = "");
  // Changes after `from` as a watcher with this filter sees them: what begins to match is kAdded,
  // what ceases to is kDeleted. kNone: from now on. The sink is called as a ChangeSink is.
  base::Result<std::unique_ptr<Subscription>> Watch(
      const Resource& resource, Filter filter, kube::Revision from,
      std::function<void(const kube::WatchEvent&)> sink);

  const Registry& registry() const { return registry_; }
  Store& store() { return store_; }
  base::Clock& clock() { return clock_; }

 private:
  // A computed write and what to say about it.
  struct Attempt {
    base::Result<Write> write = Write(Keep{});
    kube::StatusDetails details{};
    bool removes = false;
  };
  using Compute = std::function<Attempt(const kube::ObjectPtr& current)>;
  struct Snapshot {
    std::string query;
    kube::Revision revision;
    std::vector<kube::ObjectPtr> items;
    base::MonoTime made;
  };
  enum class NamespaceState { kActive, kTerminating };

  void Run(const ResourcePtr& resource, Key key, Compute compute, bool dry_run,
           std::vector<std::string> warnings, WriteCallback done);
  void CreateNamed(const ResourcePtr& resource, const std::string& ns, kube::Json object,
                   const WriteOptions& options, std::vector<std::string> warnings, int tries,
                   WriteCallback done);
  Attempt ComputeCreate(const Resource& resource, const kube::Json& object,
                        const WriteOptions& options, const kube::ObjectPtr& current) const;
  Attempt ComputeChange(const Resource& resource, const std::string& name,
                        const Subresource* subresource, const Edit& edit,
                        const WriteOptions& options, const kube::ObjectPtr& current) const;
  Attempt ComputeDelete(const Resource& resource, const std::string& name,
                        const kube::DeleteOptions& how, const kube::ObjectPtr& current) const;
  std::optional<Attempt> RefuseNamespace(const Resource& resource, const kube::Json& object) const;
  base::Result<Page> ContinueList(const Resource& resource, const Filter& filter, std::size_t limit,
                                  const std::string& token);
  void KeepSnapshot(std::shared_ptr<const Snapshot> snapshot);
  void FollowNamespaces();
  void FollowClaims(const ResourcePtr& resource);

  Store& store_;
  const Registry& registry_;
  base::Clock& clock_;
  base::Random& random_;
  std::mutex random_mutex_;

  mutable std::mutex namespaces_mutex_;
  std::map<std::string, NamespaceState> namespaces_;

  std::mutex snapshots_mutex_;
  std::map<std::string, std::shared_ptr<const Snapshot>> snapshots_;  // by revision and query

  std::vector<std::unique_ptr<Subscription>> subscriptions_;  // last: sinks use what is above
};

}  // namespace enclave::cluster
