// Keeps a child process running: what init does for a service, in the few lines that one service
// needs.
#pragma once

#include <sys/types.h>

#include <functional>

namespace enclave::cli {

// Forks and runs `child` in the new process, and starts it again when it is killed or fails: at
// once when `became_ready` says so of the one that ended, otherwise after a delay that doubles from
// 100 ms to 10 s. As long as none became ready, one that ends with kExitUsage is not started again:
// the fault is in what it was told. SIGTERM and SIGINT are handed on to the child, and the
// supervisor ends with it. Returns the exit code for the supervisor's own process. Must be called
// before the process has threads.
int Supervise(const std::function<int()>& child, const std::function<bool(pid_t)>& became_ready);

}  // namespace enclave::cli
