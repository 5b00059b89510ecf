// Starting and watching local processes through pidfds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/event_loop.h"

namespace enclave::net {

struct SpawnOptions {
  std::vector<std::string> argv;         // argv[0] is looked up in PATH when it has no slash
  std::vector<std::string> environment;  // "KEY=value", the whole environment
  std::string working_directory;         // empty: the caller's
  int stdin_fd = -1;                     // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<std::pair<int, int>>
      inherited_fds;  // {ours, number in the child}; all others are closed
  bool new_session = false;
};

// Returns the pid once exec succeeded; an exec failure is an error here (kNotFound,
// kPermissionDenied, kInvalidArgument for a file that is no program). The child starts with default
// signal dispositions and nothing blocked. Costs the same whatever the size of this process. Any
// thread. The caller reaps the child, by WatchExit or waitpid.
base::Result<pid_t> Spawn(const SpawnOptions& options);

// Identity of a process that survives pid reuse: pid and start time (clock ticks since boot, field
// 22 of /proc/PID/stat).
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
};
// kNotFound when there is none. A zombie is still identified.
base::Result<ProcessId> IdentifyProcess(pid_t pid);
bool IsAlive(const ProcessId& process);  // a zombie is not alive

// Calls `on_exit` on the loop's strand once the process is gone, child of ours or not. A child is
// reaped and its wait status handed over; for others, and when it was gone before, the status is
// -1. After the loop has stopped nothing is called any more.
base::Result<> WatchExit(EventLoop& loop, const ProcessId& process,
                         std::function<void(int wait_status)> on_exit);

}  // namespace enclave::net
