// Runs a command inside a running container, by an enclave-shim that enters its namespaces.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/runtime.h"
#include "net/event_loop.h"
#include "net/process.h"

namespace enclave::cluster {

struct ExecTarget {
  std::string shim;       // path of the program
  std::string directory;  // of the container
  std::string marker;
  net::ProcessId program;
};

// `done` is called once, as a task of the loop. kNotFound: no such command, or the container is not
// running; kDeadlineExceeded: the command and its children were killed after `timeout`.
void RunInContainer(net::EventLoop& loop, const ExecTarget& target, std::vector<std::string> argv,
                    std::chrono::milliseconds timeout,
                    std::function<void(base::Result<ExecOutput>)> done);

}  // namespace enclave::cluster
