// Where one enclave keeps everything, and who runs it. All of an enclave lives under its state
// directory; two enclaves with different directories know nothing of each other.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

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
  std::filesystem::path process() const { return root / "process.json"; }
};

// `given`, else $ENCLAVE_STATE, else $XDG_STATE_HOME/enclave, else ~/.local/state/enclave;
// absolute.
base::Result<StatePaths> ResolveState(const std::string& given);

// What a running cluster process says of itself in process.json.
struct ClusterProcess {
  net::ProcessId process;
  net::ProcessId supervisor;  // pid 0: none
  std::string server;         // "https://127.93.240.1:6443"
};

base::Result<> WriteClusterProcess(const StatePaths& paths, const ClusterProcess& process);
// nullopt when no cluster process of this state is alive.
std::optional<ClusterProcess> FindClusterProcess(const StatePaths& paths);

// The right to run the cluster on a state directory: held as a lock until destroyed or the process
// ends.
class StateLock {
 public:
  // kAlreadyExists when another process holds it.
  static base::Result<StateLock> Take(const StatePaths& paths);
  StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  StateLock& operator=(StateLock&&) = delete;
  ~StateLock();

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace enclave::cli
