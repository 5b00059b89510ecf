#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/executor.h"
#include "base/random.h"
#include "cli/cluster_access.h"
#include "cli/commands.h"
#include "cli/laboratory.h"
#include "cli/machine.h"
#include "cli/state.h"
#include "kube/informer.h"
#include "kube/reconciler.h"
#include "net/event_loop.h"
#include "net/process.h"
#include "net/url.h"

extern char** environ;

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using base::MonoTime;
using base::Result;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

class Pipe {
 public:
  Pipe() {
    if (::pipe2(fds_, O_CLOEXEC) != 0) fds_[0] = fds_[1] = -1;
  }
  ~Pipe() {
    CloseWriteEnd();
    if (fds_[0] >= 0) ::close(fds_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool ok() const { return fds_[0] >= 0; }
  int read_end() const { return fds_[0]; }
  int write_end() const { return fds_[1]; }
  void CloseWriteEnd() {
    if (fds_[1] >= 0) ::close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  int fds_[2] = {-1, -1};
};

std::uintmax_t LogSize(const StatePaths& paths) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(paths.log(), error);
  return error ? 0 : size;
}

// The last lines of the cluster's log that were written after its first `begin` bytes: why it did
// not come up.
std::string LogTail(const StatePaths& paths, std::uintmax_t begin) {
  constexpr std::uintmax_t kBytes = 2000;
  const std::uintmax_t size = LogSize(paths);
  const bool shortened = size > begin + kBytes;
  std::ifstream file(paths.log(), std::ios::binary);
  file.seekg(static_cast<std::streamoff>(shortened ? size - kBytes : begin));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (shortened) text.erase(0, text.find('\n') + 1);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// Starts `enclave cluster --supervise` in a session of its own, with its output in the state's log.
Result<pid_t> StartCluster(const StatePaths& paths, std::uint16_t port, int ready_fd) {
  std::error_code error;
  std::filesystem::create_directories(paths.log().parent_path(), error);
  if (error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot create {}: {}", paths.root.string(), error.message()));
  const int log = ::open(paths.log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot open {}: {}", paths.log().string(), std::strerror(errno)));
  constexpr int kReadyFd = 3;
  net::SpawnOptions options;
  options.argv = {std::filesystem::read_symlink("/proc/self/exe", error).string(),
                  "cluster",
                  "--state",
                  paths.root.string(),
                  "--supervise",
                  "--ready-fd",
                  std::to_string(kReadyFd)};
  if (port != 0) options.argv.insert(options.argv.end(), {"--port", std::to_string(port)});
  for (char** variable = environ; *variable != nullptr; ++variable)
    options.environment.emplace_back(*variable);
  options.working_directory = "/";
  options.stdout_fd = log;
  options.stderr_fd = log;
  options.inherited_fds = {{ready_fd, kReadyFd}};
  options.new_session = true;
  auto pid = net::Spawn(options);
  ::close(log);
  return pid;
}

std::unexpected<base::Error> NotReadyYet(const StatePaths& paths, std::uintmax_t log_begin) {
  return Fail(
      ErrorKind::kDeadlineExceeded,
      fmt::format("the node is not Ready yet; it goes on in the background, its log is {}\n{}",
                  paths.log().string(), LogTail(paths, log_begin)));
}

// Waits for the line "ready"; an end of the pipe without it means that the cluster gave up.
Result<> AwaitReady(int fd, MonoTime deadline, const StatePaths& paths, std::uintmax_t log_begin) {
  for (;;) {
    const auto left = duration_cast<milliseconds>(deadline - base::SystemClock().Now());
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return NotReadyYet(paths, log_begin);
    char byte = 0;
    if (::read(fd, &byte, 1) == 1) return {};
    return Fail(
        ErrorKind::kUnavailable,
        fmt::format("the cluster process ended before it was ready; its log {} ends with\n{}",
                    paths.log().string(), LogTail(paths, log_begin)));
  }
}

Result<> Start(const StatePaths& paths, std::uint16_t port, MonoTime deadline) {
  Pipe ready;
  if (!ready.ok()) return Fail(ErrorKind::kUnavailable, "cannot make a pipe");
  const std::uintmax_t log_begin = LogSize(paths);
  RETURN_IF_ERROR(StartCluster(paths, port, ready.write_end()));
  ready.CloseWriteEnd();
  return AwaitReady(ready.read_end(), deadline, paths, log_begin);
}

// The cluster process once it is ready, also when its supervisor is about to start it again.
Result<ClusterProcess> AwaitRunning(const StatePaths& paths, MonoTime deadline) {
  constexpr int kLookAgainMs = 50;
  const std::uintmax_t log_begin = LogSize(paths);
  for (;;) {
    auto found = FindClusterProcess(paths);
    if (!found)
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("the cluster process is gone; its log is {}", paths.log().string()));
    if (found->ready) return *found;
    if (base::SystemClock().Now() >= deadline) return NotReadyYet(paths, log_begin);
    ::poll(nullptr, 0, kLookAgainMs);
  }
}

// Starts what does not run, and waits until the node is Ready. Holds off every other `up` and
// `down` meanwhile. `*was_running` is set first.
Result<ClusterProcess> BringUp(const StatePaths& paths, std::uint16_t port, MonoTime deadline,
                               bool* was_running) {
  std::optional<StateLock> lock;
  while (!lock) {
    RETURN_IF_ERROR(AdoptStateDirectory(paths));
    auto taken = StateLock::ToStartOrEnd(paths, deadline);
    if (taken)
      lock.emplace(std::move(*taken));
    else if (taken.error().kind() != ErrorKind::kNotFound)
      return Fail(std::move(taken).error());
    // Else a `down --delete-state` came first: begin anew.
  }
  *was_running = FindClusterProcess(paths).has_value();
  if (!*was_running) RETURN_IF_ERROR(Start(paths, port, deadline));
  ASSIGN_OR_RETURN(auto running, AwaitRunning(paths, deadline));
  const auto origin = net::ParseOrigin(running.server);
  if (port != 0 && origin && origin->port != port)
    return Fail(ErrorKind::kAlreadyExists,
                fmt::format("the enclave runs already at {}: `enclave down` first, then `enclave "
                            "up --port {}`",
                            running.server, port));
  return running;
}

struct Readiness {
  std::size_t ready = 0;
  std::size_t wanted = 0;
  bool settled = false;  // every Deployment's controller has seen its latest spec
};

Readiness CountReady(const kube::Informer& deployments) {
  Readiness counted{.settled = deployments.synced()};
  for (const kube::ObjectPtr& deployment : deployments.List()) {
    const kube::Json& json = deployment->json();
    const auto wanted = kube::IntAt(json, "spec.replicas", 1);
    counted.wanted += static_cast<std::size_t>(wanted);
    counted.ready +=
        static_cast<std::size_t>(std::min(wanted, kube::IntAt(json, "status.availableReplicas")));
    if (kube::IntAt(json, "status.observedGeneration") < kube::IntAt(json, "metadata.generation"))
      counted.settled = false;
  }
  return counted;
}

// Watches the Deployments until all their replicas are available.
Result<> AwaitDeployments(const StatePaths& paths, MonoTime deadline, bool show_progress) {
  // The informers block on the client, so it has a loop of its own.
  net::EventLoop client_loop("up-client");
  net::EventLoop loop("up");
  ASSIGN_OR_RETURN(const auto api, OpenApi(paths, client_loop));
  std::promise<void> all_ready;
  struct Watching {
    Watching(kube::Api& api, net::EventLoop& loop) : informers(api, loop, base::SystemRandom()) {}
    kube::SharedInformers informers;
    std::unique_ptr<kube::Reconciler> check;
  };
  std::unique_ptr<Watching> watching;
  loop.Post([&] {
    watching = std::make_unique<Watching>(*api, loop);
    kube::Informer& deployments = watching->informers.For(kube::kDeployment);
    // One key stands for the whole question; it is asked again whenever a Deployment changes.
    const kube::ObjectName question{.ns = "", .name = "all deployments"};
    watching->check = std::make_unique<kube::Reconciler>(
        watching->informers, kube::Reconciler::Options{.name = "up"},
        [&deployments, &all_ready, show_progress,
         done = false](const kube::ObjectName&) mutable -> kube::Reconciler::Outcome {
          const Readiness now = CountReady(deployments);
          if (show_progress) fmt::print(stderr, "\r{} of {} pods Ready ", now.ready, now.wanted);
          if (!done && now.settled && now.ready >= now.wanted) {
            done = true;
            all_ready.set_value();
          }
          return std::nullopt;
        });
    watching->check->Enqueue(question);
    deployments.OnChange([check = watching->check.get(), question](const auto&, const auto&) {
      check->Enqueue(question);
    });
  });
  const auto left = deadline - base::SystemClock().Now();
  const bool ready = all_ready.get_future().wait_for(left) == std::future_status::ready;
  std::promise<void> closed;
  loop.Post([&] {
    watching.reset();
    closed.set_value();
  });
  closed.get_future().wait();
  if (show_progress) fmt::print(stderr, "\n");
  if (ready) return {};
  return Fail(
      ErrorKind::kDeadlineExceeded,
      "not every pod is Ready: see `enclave kubectl get pods -A` and `enclave kubectl describe`");
}

// Applies the manifests that belong to this program.
Result<Deployed> DeployLaboratory(const StatePaths& paths) {
  const std::filesystem::path deploy = FindDeployDirectory();
  if (deploy.empty())
    return Fail(ErrorKind::kNotFound,
                "there is no folder deploy/ beside this program; `enclave up --bare` starts the "
                "cluster without what is in it");
  ASSIGN_OR_RETURN(
      const auto objects,
      ReadManifests({deploy / "observatory", deploy / "agent", deploy / "boutique"}, paths));
  net::EventLoop loop("up-deploy");
  ASSIGN_OR_RETURN(const auto api, OpenApi(paths, loop));
  return Deploy(*api, objects);
}

}  // namespace

int Up(const UpOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), options.output);
  const MonoTime started = base::SystemClock().Now();
  const MonoTime deadline = started + options.timeout;
  const bool show_progress = options.output == OutputFormat::kText && ::isatty(STDERR_FILENO) == 1;

  bool was_running = false;
  const auto running = BringUp(*paths, options.port, deadline, &was_running);
  if (!running) return Complain(running.error(), options.output);
  if (!options.bare) {
    if (const auto deployed = DeployLaboratory(*paths); !deployed)
      return Complain(deployed.error(), options.output);
  }
  if (options.wait) {
    if (const auto all = AwaitDeployments(*paths, deadline, show_progress); !all)
      return Complain(all.error(), options.output);
  }
  const auto took = duration_cast<milliseconds>(base::SystemClock().Now() - started).count();
  if (options.output == OutputFormat::kJson) {
    PrintJson({{"state", paths->root.string()},
               {"server", running->server},
               {"kubeconfig", paths->kubeconfig().string()},
               {"pid", running->process.pid},
               {"started", !was_running},
               {"milliseconds", took}});
    return 0;
  }
  fmt::print("{} {} at {} {}\n", Green("●"),
             was_running ? "the enclave runs already" : "the enclave is up", running->server,
             Dim(fmt::format("({} ms)", took)));
  fmt::print("  export KUBECONFIG={}\n", paths->kubeconfig().string());
  return 0;
}

}  // namespace enclave::cli
