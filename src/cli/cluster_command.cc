#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/embedded_cluster.h"
#include "cli/machine.h"
#include "cli/state.h"
#include "cli/supervise.h"

namespace enclave::cli {
namespace {

// Blocks SIGTERM and SIGINT in this thread and those it makes later, so that they arrive here only.
sigset_t BlockStopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return set;
}

void TellReady(int fd) {
  if (fd < 0) return;
  constexpr std::string_view kReady = "ready\n";
  // Whoever waited may have gone; that is no fault of ours.
  [[maybe_unused]] const ssize_t written = ::write(fd, kReady.data(), kReady.size());
  ::close(fd);
}

base::Result<> TellWhoRuns(const StatePaths& paths, const ClusterOptions& options,
                           const std::string& server) {
  ClusterProcess process{.server = server};
  ASSIGN_OR_RETURN(process.process, net::IdentifyProcess(::getpid()));
  if (options.supervise) {
    ASSIGN_OR_RETURN(process.supervisor, net::IdentifyProcess(::getppid()));
  }
  return WriteClusterProcess(paths, process);
}

int RunCluster(const StatePaths& paths, const ClusterOptions& options) {
  const sigset_t stop_signals = BlockStopSignals();
  auto lock = StateLock::Take(paths);
  if (!lock) return Complain(lock.error(), kExitUsage);
  ::chmod(paths.root.c_str(), 0700);
  RaiseFileLimit();
  const auto fail = [](const base::Error& error) {
    return Complain(error, error.kind() == base::ErrorKind::kInvalidArgument ? kExitUsage : 1);
  };
  const auto cluster = EmbeddedCluster::Start(paths, options);
  if (!cluster) return fail(cluster.error());
  if (const auto told = TellWhoRuns(paths, options, (*cluster)->server()); !told)
    return fail(told.error());
  (*cluster)->OnReady([fd = options.ready_fd] { TellReady(fd); });
  base::LogInfo("cluster", "the cluster runs",
                {{"server", (*cluster)->server()}, {"state", paths.root.string()}});
  int signal = 0;
  ::sigwait(&stop_signals, &signal);
  base::LogInfo("cluster", "the cluster ends; pods go on running", {{"signal", signal}});
  return 0;
}

}  // namespace

int Cluster(const ClusterOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), kExitUsage);
  if (options.supervise) {
    // The supervisor keeps its own copy of the descriptor, so that a cluster process that dies
    // before it is ready can still be followed by one that is.
    return Supervise([&] { return RunCluster(*paths, options); });
  }
  return RunCluster(*paths, options);
}

}  // namespace enclave::cli
