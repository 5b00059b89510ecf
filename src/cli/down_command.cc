#include <fmt/format.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/state.h"
#include "cluster/kubelet/process_runtime.h"
#include "net/event_loop.h"
#include "net/process.h"

namespace enclave::cli {
namespace {

constexpr std::chrono::seconds kClusterGrace{10};
// For an `enclave up` that is at work: somewhat more than it gives a start unless told otherwise.
constexpr std::chrono::seconds kPatience{150};

// SIGTERM, then SIGKILL after the grace; returns once the process is gone.
void EndProcess(const net::ProcessId& process) {
  if (process.pid == 0 || !net::IsAlive(process)) return;
  net::EventLoop loop("down");
  // Shared with the callback, which may come after this function gave up waiting.
  const auto gone = std::make_shared<std::promise<void>>();
  auto ended = gone->get_future();
  if (!net::WatchExit(loop, process, [gone](int) { gone->set_value(); })) return;
  ::kill(process.pid, SIGTERM);
  if (ended.wait_for(kClusterGrace) == std::future_status::ready) return;
  ::kill(process.pid, SIGKILL);
  ended.wait_for(kClusterGrace);
}

}  // namespace

int Down(const DownOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), options.output);
  if (const auto ours = RequireEnclave(*paths); !ours)
    return Complain(ours.error(), options.output);
  const auto lock = StateLock::ToStartOrEnd(*paths, base::SystemClock().Now() + kPatience);
  if (!lock) return Complain(lock.error(), options.output);
  const auto running = FindClusterProcess(*paths);
  if (running) {
    // The supervisor first, or it would start the cluster process again.
    EndProcess(running->supervisor);
    if (const auto left = FindClusterProcess(*paths)) EndProcess(left->process);
  }
  // Held until the end: nothing is killed or deleted under a cluster process that nobody told of.
  const auto stopped = StateLock::ToRun(*paths);
  if (!stopped) return Complain(stopped.error(), options.output);
  const auto ended = cluster::ProcessRuntime::KillAll(paths->root.string(), options.grace);
  if (!ended) return Complain(ended.error(), options.output);
  std::error_code error;
  std::filesystem::remove(paths->process(), error);
  if (options.delete_state) {
    if (const auto deleted = DeleteState(*paths); !deleted)
      return Complain(deleted.error(), options.output);
  }
  if (options.output == OutputFormat::kJson) {
    PrintJson({{"state", paths->root.string()},
               {"wasRunning", running.has_value()},
               {"containersEnded", *ended},
               {"stateDeleted", options.delete_state}});
  } else {
    fmt::print("{} {}, {} containers ended\n", Dim("○"),
               running ? "the enclave is down" : "no enclave was running", *ended);
  }
  return 0;
}

}  // namespace enclave::cli
