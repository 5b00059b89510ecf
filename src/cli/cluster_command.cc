#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <utility>

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

// With its output in a file, as `enclave up` starts it: the log is rotated, and what is printed
// past the log, by a crash say, goes to the newest file. Called before and in each cluster process.
void BoundLog(const StatePaths& paths) {
  struct stat output{};
  if (::fstat(STDERR_FILENO, &output) != 0 || !S_ISREG(output.st_mode)) return;
  constexpr std::uintmax_t kMaxBytes = 10 << 20;
  const std::filesystem::path log = paths.log();
  std::error_code error;
  if (std::filesystem::file_size(log, error) > kMaxBytes && !error)
    std::filesystem::rename(log, std::filesystem::path(log).replace_extension("1.log"), error);
  const int newest = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (newest < 0) return;
  ::dup2(newest, STDOUT_FILENO);
  ::dup2(newest, STDERR_FILENO);
  ::close(newest);
  base::LogToFile(log.string(), kMaxBytes);
}

// `self` holds the supervisor, if there is one.
int RunCluster(const StatePaths& paths, const ClusterOptions& options, ClusterProcess self) {
  const sigset_t stop_signals = BlockStopSignals();
  RaiseFileLimit();
  const auto cluster = EmbeddedCluster::Start(paths, options);
  if (!cluster) return Complain(cluster.error());
  const auto process = net::IdentifyProcess(::getpid());
  if (!process) return Complain(process.error());
  self.process = *process;
  self.server = (*cluster)->server();
  if (const auto told = WriteClusterProcess(paths, self); !told) return Complain(told.error());
  // Closed once: its number is soon another file's.
  (*cluster)->OnReady([paths, self, fd = options.ready_fd]() mutable {
    self.ready = true;
    if (const auto told = WriteClusterProcess(paths, self); !told)
      base::LogWarning("cluster", "nobody is told that the node is Ready",
                       {{"error", told.error().message()}});
    TellReady(std::exchange(fd, -1));
  });
  base::LogInfo("cluster", "the cluster runs",
                {{"server", (*cluster)->server()}, {"state", paths.root.string()}});
  int signal = 0;
  ::sigwait(&stop_signals, &signal);
  base::LogInfo("cluster", "the cluster ends; pods go on running", {{"signal", signal}});
  return 0;
}

}  // namespace

int Cluster(const ClusterOptions& given) {
  ClusterOptions options = given;
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error());
  if (const auto adopted = AdoptStateDirectory(*paths); !adopted) return Complain(adopted.error());
  // Held by the supervisor too, so that nobody comes in between while no cluster process runs.
  const auto lock = StateLock::ToRun(*paths);
  if (!lock) return Complain(lock.error());
  ClusterProcess self;
  if (!options.supervise) return RunCluster(*paths, options, self);

  const auto supervisor = net::IdentifyProcess(::getpid());
  if (!supervisor) return Complain(supervisor.error());
  self.supervisor = *supervisor;
  // Before the first child is up, so that `up` and `down` find the supervisor at any time.
  if (const auto told = WriteClusterProcess(*paths, self); !told) return Complain(told.error());
  BoundLog(*paths);
  return Supervise(
      [&] {
        BoundLog(*paths);
        return RunCluster(*paths, options, self);
      },
      [&](pid_t child) {
        BoundLog(*paths);
        const auto last = LastClusterProcess(*paths);
        if (!last || last->process.pid != child || !last->ready) return false;
        // It has told who waited. Until one has, the supervisor's own copy of the descriptor serves
        // the next child.
        if (options.ready_fd >= 0) ::close(std::exchange(options.ready_fd, -1));
        return true;
      });
}

}  // namespace enclave::cli
