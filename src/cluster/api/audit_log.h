// The audit log: one JSON line for every mutating request, whether it succeeded or not: who, what,
// when, from where, with which trace. Never bodies, never credentials. A request that succeeded and
// changed nothing is no mutation: it has no line.
//
// Lines go to `path`; at `max_bytes` the file becomes `path`.1, older ones move up, and the oldest
// beyond `max_files` is deleted. A full disk loses lines, never requests: the loss is counted and
// logged.
//
// Thread safety: Record may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "cluster/api/resource.h"

namespace enclave::cluster {

struct AuditEntry {
  base::WallTime received_at;
  base::Duration latency{};
  std::string id;        // of the request
  std::string verb;      // "create", "update", "patch", "delete", "deletecollection"
  std::string resource;  // "deployments.apps"
  std::string ns;
  std::string name;
  std::string uid;  // of the object, when the write succeeded
  std::string subresource;
  Requester who;
  std::string source;  // address of the peer, "in-process" for the cluster's own parts
  std::string user_agent;
  std::string trace_id;      // empty: the request carried none
  std::string impersonator;  // who made the request as `who`; empty: `who` did
  int code = 0;              // HTTP status of the answer
  bool dry_run = false;
};

class AuditLog {
 public:
  static base::Result<std::unique_ptr<AuditLog>> Open(const std::string& path,
                                                      std::int64_t max_bytes = 32 << 20,
                                                      int max_files = 4);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Record(const AuditEntry& entry);
  // Lines that the disk refused.
  std::int64_t lost() const;

 private:
  AuditLog(std::string path, std::int64_t max_bytes, int max_files);
  base::Result<> OpenFile();
  void Rotate();

  const std::string path_;
  const std::int64_t max_bytes_;
  const int max_files_;
  mutable std::mutex mutex_;
  int fd_ = -1;             // guarded by mutex_
  std::int64_t bytes_ = 0;  // guarded by mutex_
  std::int64_t lost_ = 0;   // guarded by mutex_
};

}  // namespace enclave::cluster
