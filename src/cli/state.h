// Where one enclave keeps everything, and who runs it. All of an enclave lives under its state
// directory; two enclaves with different directories know nothing of each other.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "net/process.h"

namespace enclave::cli {

struct StatePaths {
  std::filesystem::path root;

  std::filesystem::path kubeconfig() const { return root / "kubeconfig"; }
  std::filesystem::path database() const { return root / "store.db"; }
  std::filesystem::path log() const { return root / "log" / "cluster.log"; }
  std::filesystem::path audit() const { return root / "log" / "audit.log"; }
  std::filesystem::path lock() const { return root / "lock"; }
  std::filesystem::path command_lock() const { return root / "enclave.lock"; }
  std::filesystem::path last_run() const {
    return root / "last-run";
  }  // of `enclave run`: its trace
  std::filesystem::path process() const { return root / "process.json"; }
};

// `given`, else $ENCLAVE_STATE, else $XDG_STATE_HOME/enclave, else ~/.local/state/enclave;
// absolute.
base::Result<StatePaths> ResolveState(const std::string& given);

// Whether the root is an enclave's, which may be written to and deleted: it holds a file that only
// enclaves have. kNotFound when it is missing or empty; kInvalidArgument when it is somebody
// else's.
base::Result<> RequireEnclave(const StatePaths& paths);
// Makes a missing or empty root an enclave's, for its user only. One that is an enclave's stays as
// it is, and one that is somebody else's is refused as above.
base::Result<> AdoptStateDirectory(const StatePaths& paths);
// Deletes an enclave's root. The caller holds StateLock::ToStartOrEnd, and nothing runs.
base::Result<> DeleteState(const StatePaths& paths);

// What a running cluster process says of itself in process.json.
struct ClusterProcess {
  net::ProcessId process;     // pid 0: none yet, or the supervisor is about to start the next
  net::ProcessId supervisor;  // pid 0: none
  std::string server;         // "https://127.93.240.1:6443"
  bool ready = false;         // its node has become Ready
};

base::Result<> WriteClusterProcess(const StatePaths& paths, const ClusterProcess& process);
// What was written last, by whoever may be gone since.
std::optional<ClusterProcess> LastClusterProcess(const StatePaths& paths);
// What of it is alive; nullopt when neither process is.
std::optional<ClusterProcess> FindClusterProcess(const StatePaths& paths);

// A right on a state directory: held until destroyed, or until this process and its forks ended.
class StateLock {
 public:
  // To run the cluster. kAlreadyExists when another process holds it.
  static base::Result<StateLock> ToRun(const StatePaths& paths);
  // To start or to end an enclave: `up` and `down` come one after the other. Waits for who holds
  // it, kDeadlineExceeded when that takes too long; kNotFound when the enclave is not there any
  // more.
  static base::Result<StateLock> ToStartOrEnd(const StatePaths& paths, base::MonoTime deadline);
  StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  StateLock& operator=(StateLock&&) = delete;
  ~StateLock();

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace enclave::cli
