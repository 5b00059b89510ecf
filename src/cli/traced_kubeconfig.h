// A kubeconfig whose user carries a trace, for clients that send no trace headers, as kubectl: its
// administrator acts as himself, with the TraceID as an extra (as-user-extra), which the API server
// notes in what he changes (cluster/api/impersonation.h).
//
// It holds credentials, so it lies in memory only: a file that other programs of this user can open
// by its path, and that is gone with the process that holds it, however that one ends.
//
// Threading: one thread at a time.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "cli/state.h"
#include "kube/object.h"
#include "trace/trace_id.h"

namespace enclave::cli {

// `config` with the trace in its users that have an administrator's credentials of `enclave` (both
// are kubeconfigs), and relative paths made absolute from `directory`; null when it has no such
// user.
kube::Json WithTrace(kube::Json config, const kube::Json& enclave, const trace::TraceId& trace_id,
                     const std::string& directory);

class TracedKubeconfig {
 public:
  // Of the file `path`: the enclave's own or one with its credentials. nullopt when it has none of
  // these and so stays as it is; kNotFound when there is no enclave in `paths`.
  // `inherited`: programs that this process becomes or starts keep it open.
  static base::Result<std::optional<TracedKubeconfig>> Make(const StatePaths& paths,
                                                            const std::string& path,
                                                            const trace::TraceId& trace_id,
                                                            bool inherited);
  TracedKubeconfig(TracedKubeconfig&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  TracedKubeconfig& operator=(TracedKubeconfig&&) = delete;
  ~TracedKubeconfig();

  const std::string& path() const { return path_; }  // for KUBECONFIG

 private:
  TracedKubeconfig(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

}  // namespace enclave::cli
