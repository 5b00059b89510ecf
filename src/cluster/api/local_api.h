// The cluster's own API without the wire: for controllers, scheduler and kubelet in the same
// process, and for the simulator. The same machinery answers as over HTTP.
//
// Calls block until the write is durable; never from the store's thread. With a MemoryStore they
// return without a thread switch, and watch events are posted before the write returns.
#pragma once

#include <functional>
#include <string>

#include "cluster/api/audit_log.h"
#include "cluster/api/machinery.h"
#include "kube/api.h"

namespace enclave::cluster {

class LocalApi final : public kube::Api {
 public:
  // `user`: who the writes are by, "system:controller:deployment". Writes are noted in `audit` as
  // those over HTTP are; null: nowhere. Machinery and audit log outlive this.
  LocalApi(Machinery& machinery, std::string user, AuditLog* audit = nullptr);

  base::Result<kube::ObjectPtr> Get(const kube::Kind& kind, const std::string& ns,
                                    const std::string& name) override;
  base::Result<kube::ObjectList> List(const kube::Kind& kind,
                                      const kube::ListOptions& options) override;
  base::Result<kube::ObjectPtr> Create(const kube::Kind& kind, const std::string& ns,
                                       kube::Json object) override;
  base::Result<kube::ObjectPtr> Update(const kube::Kind& kind, kube::Json object,
                                       const std::string& subresource = "") override;
  base::Result<kube::ObjectPtr> Patch(const kube::Kind& kind, const std::string& ns,
                                      const std::string& name, kube::PatchType type,
                                      const kube::Json& patch,
                                      const std::string& subresource = "") override;
  base::Result<kube::ObjectPtr> Delete(const kube::Kind& kind, const std::string& ns,
                                       const std::string& name,
                                       const kube::DeleteOptions& options) override;
  // A watcher that falls kMaxPending events behind gets kExpired, and lists again.
  base::Result<std::unique_ptr<kube::WatchHandle>> Watch(
      const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
      base::Executor& executor, std::function<void(const kube::WatchEvent&)> on_event) override;

  static constexpr std::size_t kMaxPending = 100'000;

 private:
  base::Result<ResourcePtr> Find(const kube::Kind& kind) const;
  WriteOptions Options() const;
  // Runs the write, waits for its answer and notes it.
  base::Result<kube::ObjectPtr> Write(const char* verb, const kube::Kind& kind, std::string ns,
                                      std::string name, std::string subresource,
                                      const std::function<void(WriteCallback)>& start);

  Machinery& machinery_;
  const Requester user_;
  AuditLog* const audit_;
};

}  // namespace enclave::cluster
