#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
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

#include "base/executor.h"
#include "base/random.h"
#include "cli/cluster_access.h"
#include "cli/commands.h"
#include "cli/state.h"
#include "kube/informer.h"
#include "kube/reconciler.h"
#include "net/event_loop.h"
#include "net/process.h"

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

// The last lines of the cluster's log: why it did not come up.
std::string LogTail(const StatePaths& paths) {
  constexpr std::size_t kBytes = 2000;
  std::ifstream file(paths.log(), std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.size() <= kBytes) return text;
  text.erase(0, text.size() - kBytes);
  return text.substr(text.find('\n') + 1);
}

// Starts `enclave cluster --supervise` in a session of its own, with its output in the state's log.
Result<pid_t> StartCluster(const StatePaths& paths, int ready_fd) {
  std::error_code error;
  std::filesystem::create_directories(paths.log().parent_path(), error);
  if (error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot create {}: {}", paths.root.string(), error.message()));
  ::chmod(paths.root.c_str(), 0700);
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

// Waits for the line "ready"; an end of the pipe without it means that the cluster gave up.
Result<> AwaitReady(int fd, MonoTime deadline, const StatePaths& paths) {
  for (;;) {
    const auto left = duration_cast<milliseconds>(deadline - base::SystemClock().Now());
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0)
      return Fail(
          ErrorKind::kDeadlineExceeded,
          fmt::format("the node is not Ready yet; it goes on in the background, its log is {}\n{}",
                      paths.log().string(), LogTail(paths)));
    char byte = 0;
    if (::read(fd, &byte, 1) == 1) return {};
    return Fail(
        ErrorKind::kUnavailable,
        fmt::format("the cluster process ended before it was ready; its log {} ends with\n{}",
                    paths.log().string(), LogTail(paths)));
  }
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

}  // namespace

int Up(const UpOptions& options) {
  const auto paths = ResolveState(options.state);
  if (!paths) return Complain(paths.error(), 2);
  const MonoTime started = base::SystemClock().Now();
  const MonoTime deadline = started + options.timeout;
  const bool show_progress = options.output == OutputFormat::kText && ::isatty(STDERR_FILENO) == 1;

  const bool was_running = FindClusterProcess(*paths).has_value();
  if (!was_running) {
    Pipe ready;
    if (!ready.ok()) return Complain(base::Error(ErrorKind::kUnavailable, "cannot make a pipe"));
    const auto pid = StartCluster(*paths, ready.write_end());
    ready.CloseWriteEnd();
    if (!pid) return Complain(pid.error());
    if (const auto up = AwaitReady(ready.read_end(), deadline, *paths); !up)
      return Complain(up.error());
  }
  if (options.wait) {
    if (const auto all = AwaitDeployments(*paths, deadline, show_progress); !all)
      return Complain(all.error());
  }
  const auto running = FindClusterProcess(*paths);
  if (!running)
    return Complain(base::Error(
        ErrorKind::kUnavailable,
        fmt::format("the cluster process is gone; its log is {}", paths->log().string())));
  const auto took = duration_cast<milliseconds>(base::SystemClock().Now() - started).count();
  if (options.output == OutputFormat::kJson) {
    const nlohmann::json value = {{"state", paths->root.string()},
                                  {"server", running->server},
                                  {"kubeconfig", paths->kubeconfig().string()},
                                  {"pid", running->process.pid},
                                  {"started", !was_running},
                                  {"milliseconds", took}};
    fmt::print("{}\n", value.dump(2));
    return 0;
  }
  fmt::print("{} {} at {} {}\n", Green("●"),
             was_running ? "the enclave runs already" : "the enclave is up", running->server,
             Dim(fmt::format("({} ms)", took)));
  fmt::print("  export KUBECONFIG={}\n", paths->kubeconfig().string());
  return 0;
}

}  // namespace enclave::cli
