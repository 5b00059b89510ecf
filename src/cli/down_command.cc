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
  if (!paths) return Complain(paths.error(), 2);
  std::error_code error;
  if (!std::filesystem::exists(paths->root, error))
    return Complain(base::Error(base::ErrorKind::kNotFound,
                                fmt::format("no enclave in {}", paths->root.string())));
  const auto running = FindClusterProcess(*paths);
  if (running) {
    // The supervisor first, or it would start the cluster process again.
    EndProcess(running->supervisor);
    EndProcess(running->process);
  }
  const auto ended = cluster::ProcessRuntime::KillAll(paths->root.string(), options.grace);
  if (!ended) return Complain(ended.error());
  std::filesystem::remove(paths->process(), error);
  if (options.delete_state) {
    std::filesystem::remove_all(paths->root, error);
    if (error)
      return Complain(
          base::Error(base::ErrorKind::kUnavailable,
                      fmt::format("cannot delete {}: {}", paths->root.string(), error.message())));
  }
  if (options.output == OutputFormat::kJson) {
    const nlohmann::json value = {{"state", paths->root.string()},
                                  {"wasRunning", running.has_value()},
                                  {"containersEnded", *ended},
                                  {"stateDeleted", options.delete_state}};
    fmt::print("{}\n", value.dump(2));
  } else {
    fmt::print("{} {}, {} containers ended\n", Dim("○"),
               running ? "the enclave is down" : "no enclave was running", *ended);
  }
  return 0;
}

}  // namespace enclave::cli
