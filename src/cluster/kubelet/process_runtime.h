// Containers as local processes: each runs under an enclave-shim of its own, which outlives the
// cluster process. A runtime that is created on a state directory adopts what runs there already.
//
// Thread safety: methods may be called from any thread; callbacks run as tasks of the loop.
// Ownership: the loop outlives the runtime.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "cluster/kubelet/runtime.h"
#include "net/event_loop.h"

namespace enclave::cluster {

struct ProcessRuntimeOptions {
  std::string state_directory;
  std::string shim;  // path of enclave-shim; empty: beside this program
  bool use_cgroups = true;
  std::int64_t log_max_bytes = 10 << 20;
  std::int64_t log_max_files = 5;
  std::int64_t max_processes = 4096;  // of one container, where a pids cgroup can be had
};

class ProcessRuntime : public ContainerRuntime {
 public:
  static base::Result<std::unique_ptr<ProcessRuntime>> Create(net::EventLoop& loop,
                                                              ProcessRuntimeOptions options);

  // What the system gave: shown by `enclave status` and in the Node's conditions.
  struct Abilities {
    bool memory_cgroup = false;  // else resident memory is watched
    bool cpu_cgroup = false;     // else CPU limits are not enforced
  };
  virtual Abilities abilities() const = 0;
  // What could not be done for a running container ("no private mounts: ..."); empty when all was.
  virtual std::vector<std::string> Warnings(const ContainerId& id) const = 0;

  // Whether this run may still write its log: true until its exit is recorded. For
  // LogFile::running.
  virtual bool Running(const ContainerId& id) const = 0;

  // Ends every container of the enclave at `state_directory`, whether its cluster process lives or
  // not: SIGTERM, SIGKILL after `grace`, then whatever still carries the enclave's marker. Returns
  // how many containers ran. Their directories and logs stay, for the next start to see the exits.
  static base::Result<int> KillAll(const std::string& state_directory,
                                   std::chrono::milliseconds grace);
};

}  // namespace enclave::cluster
