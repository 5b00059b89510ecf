// Keeps a child process running: what init does for a service, in the few lines that one service
// needs.
#pragma once

#include <functional>

namespace enclave::cli {

// Exit code of a child that must not be started again: the fault is in what it was told, not in its
// run.
inline constexpr int kExitUsage = 2;

// Forks and runs `child` in the new process; starts it again when it is killed or fails, after a
// delay that doubles from 100 ms to 10 s and is reset by a minute of running. SIGTERM and SIGINT
// are handed on to the child, and the supervisor ends with it. Returns the exit code for the
// supervisor's own process. Must be called before the process has threads.
int Supervise(const std::function<int()>& child);

}  // namespace enclave::cli
