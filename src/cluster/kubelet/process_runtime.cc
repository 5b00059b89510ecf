#include "cluster/kubelet/process_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "base/log.h"
#include "cluster/kubelet/cgroup.h"
#include "cluster/kubelet/cgroup_files.h"
#include "cluster/kubelet/container_directory.h"
#include "cluster/kubelet/exec_run.h"
#include "cluster/kubelet/memory_watcher.h"
#include "cluster/kubelet/process_tree.h"
#include "net/process.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

constexpr int kReportFd = 3;
constexpr int kLockFd = 4;
// Waited for on the loop, which also serves probes and the node's lease: a start that takes longer
// fails, and is tried again after a back-off.
constexpr milliseconds kStartTimeout{2'000};
constexpr milliseconds kUndoTimeout{1'000};
constexpr milliseconds kLeftoverTimeout{2'000};
// Of shims that started before this process: waited for before anything is served.
constexpr milliseconds kAdoptTimeout{10'000};
// What a shim gets to clean up after its program was killed.
constexpr milliseconds kRemoveTimeout{5'000};
// One look at /proc serves all containers asked about within this time.
constexpr base::Duration kTableAge = milliseconds(500);

base::WallTime FromNs(std::int64_t ns) {
  return base::WallTime(std::chrono::nanoseconds(ns));
}

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

// A descriptor of exactly this process, never of a later one with its pid.
Fd OpenProcess(const net::ProcessId& process) {
  if (process.pid <= 0) return Fd();
  Fd fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (fd.get() >= 0 && ProcessStartTicks(process.pid) != process.start_ticks) return Fd();
  return fd;
}

bool SendSignal(const net::ProcessId& process, int signal) {
  Fd fd = OpenProcess(process);
  return fd.get() >= 0 && syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) == 0;
}

// True once the process is gone.
bool AwaitGone(const net::ProcessId& process, milliseconds timeout) {
  Fd fd = OpenProcess(process);
  if (fd.get() < 0) return true;
  struct pollfd wait{fd.get(), POLLIN, 0};
  return poll(&wait, 1, static_cast<int>(timeout.count())) > 0;
}

// Kills every process of a container whose shim is gone: by its cgroups and by its marker. Killing
// is repeated until a look finds nobody, for a dying process may just have forked.
void KillLeftovers(const std::string& marker, const std::vector<std::string>& cgroups) {
  auto deadline = std::chrono::steady_clock::now() + kLeftoverTimeout;
  while (true) {
    bool any = KillCgroups(cgroups);
    std::vector<Fd> dying;
    for (pid_t pid : FindMarkedProcesses(marker)) {
      Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
      if (fd.get() < 0) continue;
      if (syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0) != 0) continue;
      any = true;
      dying.push_back(std::move(fd));
    }
    if (!any) return;
    for (const Fd& fd : dying) {
      struct pollfd wait{fd.get(), POLLIN, 0};
      poll(&wait, 1, 100);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      base::LogWarning("kubelet", "processes of a container do not die", {{"container", marker}});
      return;
    }
    if (dying.empty()) std::this_thread::sleep_for(milliseconds(2));
  }
}

struct StartReport {
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::uint64_t shim_start_ticks = 0;
  std::int64_t started_at_ns = 0;
  bool isolated = false;
  std::vector<std::string> warnings;
};

ErrorKind KindOf(std::int64_t error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::kNotFound;
    case EACCES:
    case EPERM:
    case ENOEXEC:
    case EISDIR:
      return ErrorKind::kPermissionDenied;
    default:
      return ErrorKind::kUnavailable;
  }
}

// Why the container's mounts are not at their targets; "" when they are, or it needs none.
std::string MountsRefused(const ContainerSpec& spec, const StartReport& report) {
  const bool needed = std::ranges::any_of(spec.mounts, [](const Mount& m) { return !m.optional; });
  if (!needed || report.isolated) return "";
  const std::string prefix = "no private mounts: ";
  for (const std::string& warning : report.warnings)
    if (warning.starts_with(prefix)) return warning.substr(prefix.size());
  return "no reason was told";
}

// Lets callbacks of the loop into a runtime that another thread may destroy meanwhile: the
// destructor waits for the callback that is inside. Recursive, because a callback may destroy the
// runtime itself.
struct Gate {
  std::recursive_mutex mutex;
  bool open = true;  // guarded by mutex
};

// The shim's answer: lines "warning TEXT", then "ok ..." or "error ERRNO TEXT".
base::Result<StartReport> ReadReport(int fd) {
  StartReport report;
  std::string text;
  auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (true) {
    std::size_t end;
    while ((end = text.find('\n')) != std::string::npos) {
      std::string line = text.substr(0, end);
      text.erase(0, end + 1);
      if (line.starts_with("warning ")) {
        report.warnings.push_back(line.substr(8));
      } else if (line.starts_with("error ")) {
        std::int64_t error = 0;
        auto parsed = std::from_chars(line.data() + 6, line.data() + line.size(), error);
        std::string message = line.substr(static_cast<std::size_t>(parsed.ptr - line.data()));
        return base::Fail(KindOf(error), message.empty() ? message : message.substr(1));
      } else if (line.starts_with("ok ")) {
        const char* at = line.data() + 3;
        const char* stop = line.data() + line.size();
        auto next = [&](auto* value) {
          at = std::from_chars(at, stop, *value).ptr;
          if (at < stop) ++at;
        };
        next(&report.pid);
        next(&report.start_ticks);
        next(&report.shim_start_ticks);
        next(&report.started_at_ns);
        report.isolated = std::string_view(at, static_cast<std::size_t>(stop - at)) == "isolated";
        return report;
      }
    }
    auto left =
        std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    struct pollfd wait{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) == 0) {
      return base::Fail(ErrorKind::kDeadlineExceeded, "the container's shim does not answer");
    }
    char buffer[4096];
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return base::Fail(ErrorKind::kUnavailable, "the container's shim ended without an answer");
    }
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

class Runtime final : public ProcessRuntime {
 public:
  Runtime(net::EventLoop& loop, ProcessRuntimeOptions options)
      : loop_(loop),
        options_(std::move(options)),
        enclave_(EnclaveId(options_.state_directory)),
        cgroups_(options_.use_cgroups ? CgroupManager::Detect("enclave-" + enclave_)
                                      : CgroupManager::None()),
        memory_watcher_(std::make_shared<MemoryWatcher>(
            loop, [this, gate = gate_](const ContainerId& id, std::int64_t bytes) {
              std::lock_guard inside(gate->mutex);
              if (gate->open) OnMemoryExceeded(id, bytes);
            })) {}

  ~Runtime() override {
    {
      std::lock_guard inside(gate_->mutex);
      gate_->open = false;
    }
    // The watcher lives on the loop: its last tasks run before it goes.
    loop_.Post([watcher = std::move(memory_watcher_)] {});
  }

  base::Result<> Adopt();

  std::vector<ContainerState> List() override {
    std::lock_guard lock(mutex_);
    std::vector<ContainerState> states;
    states.reserve(records_.size());
    for (const auto& [id, record] : records_) states.push_back(record.state);
    return states;
  }

  base::Result<ContainerState> Start(const ContainerSpec& spec) override;
  base::Result<> Signal(const ContainerId& id, int signal) override;
  void Remove(const ContainerId& id) override;
  base::Result<ContainerStats> Stats(const ContainerId& id) override;
  void OnExit(std::function<void(const ContainerState&)> callback) override {
    std::lock_guard lock(mutex_);
    on_exit_ = std::move(callback);
  }
  void Exec(const ContainerId& id, std::vector<std::string> argv, milliseconds timeout,
            std::function<void(base::Result<int>)> done) override {
    ExecCapture(id, std::move(argv), timeout,
                [done = std::move(done)](base::Result<ExecOutput> output) {
                  if (!output) {
                    done(std::unexpected(std::move(output).error()));
                  } else {
                    done(output->exit_code);
                  }
                });
  }
  void ExecCapture(const ContainerId& id, std::vector<std::string> argv, milliseconds timeout,
                   std::function<void(base::Result<ExecOutput>)> done) override;

  Abilities abilities() const override { return {cgroups_.limits_memory(), cgroups_.limits_cpu()}; }
  std::vector<std::string> Warnings(const ContainerId& id) const override {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    return found == records_.end() ? std::vector<std::string>() : found->second.warnings;
  }
  bool Running(const ContainerId& id) const override {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end() || found->second.state.exit) return false;
    // The shim closes the log after it wrote the status, which may be known here a little later.
    auto status = found->second.directory.ReadStatus();
    return status && !status->exited;
  }

 private:
  struct Record {
    ContainerDirectory directory;
    ContainerState state;
    net::ProcessId shim;
    net::ProcessId program;
    std::vector<std::string> cgroups;
    std::vector<std::string> warnings;
  };

  void WatchShim(const ContainerId& id, const net::ProcessId& shim);
  void OnShimGone(const ContainerId& id);
  // The rest of a Remove, once the shim is gone.
  void FinishRemoval(const Record& record);
  void OnMemoryExceeded(const ContainerId& id, std::int64_t bytes);
  void WatchMemory(const ContainerId& id, pid_t shim, std::int64_t limit_bytes);
  ContainerExit ExitOf(const ShimStatus& status) const;
  // The exit of a container whose shim could not record one.
  ShimStatus Crashed(const ContainerDirectory& directory, ShimStatus status) const;

  net::EventLoop& loop_;
  const ProcessRuntimeOptions options_;
  const std::string enclave_;
  const CgroupManager cgroups_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::shared_ptr<MemoryWatcher> memory_watcher_;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<ContainerId, Record> records_;
  std::map<ContainerId, Record> removing_;  // killed and forgotten, until their shims are gone
  std::function<void(const ContainerState&)> on_exit_;
  std::shared_ptr<const ProcessTable> table_;
  base::MonoTime table_read_{};
};

ContainerExit Runtime::ExitOf(const ShimStatus& status) const {
  return {status.exit_code, status.signal, status.oom_killed, FromNs(status.started_at_ns),
          FromNs(status.finished_at_ns)};
}

ShimStatus Runtime::Crashed(const ContainerDirectory& directory, ShimStatus status) const {
  status.exited = true;
  status.exit_code = 128 + SIGKILL;
  status.signal = SIGKILL;
  status.oom_killed = access((directory.path() + "/oom").c_str(), F_OK) == 0;
  status.finished_at_ns = loop_.WallNow().time_since_epoch().count();
  if (auto written = directory.WriteStatus(status); !written) {
    base::LogWarning("kubelet", "an exit could not be recorded",
                     {{"container", directory.marker()}, {"error", written.error().message()}});
  }
  return status;
}

base::Result<> Runtime::Adopt() {
  std::error_code error;
  fs::create_directories(ContainersDirectory(options_.state_directory), error);
  if (error) {
    return base::Fail(
        ErrorKind::kUnavailable,
        fmt::format("create {}: {}", ContainersDirectory(options_.state_directory).string(),
                    error.message()));
  }
  for (const ContainerDirectory& directory : ContainerDirectory::All(options_.state_directory)) {
    bool running = directory.ShimAlive();
    std::optional<ShimStatus> status =
        running ? directory.AwaitStatus(kAdoptTimeout) : directory.ReadStatus();
    std::optional<ShimSpec> spec = directory.ReadSpec();
    if (!status || !spec) {
      // Never ran: the last cluster process ended while it was being started. (A shim that does not
      // come up in time is ended, so that it cannot start the program later.)
      KillLeftovers(directory.marker(), spec ? spec->cgroups : std::vector<std::string>());
      if (spec) RemoveCgroups(spec->cgroups);
      directory.Remove();
      continue;
    }
    Record record{directory,
                  {directory.id(), status->pid, FromNs(status->started_at_ns), {}, {}},
                  {static_cast<pid_t>(status->shim_pid), status->shim_start_ticks},
                  {static_cast<pid_t>(status->pid), status->start_ticks},
                  spec->cgroups,
                  status->warnings};
    if (!running && !status->exited) {
      if (status->boot_id == BootId()) KillLeftovers(directory.marker(), spec->cgroups);
      RemoveCgroups(spec->cgroups);
      status = Crashed(directory, *status);
    }
    if (status->exited) record.state.exit = ExitOf(*status);
    bool watch = !status->exited;
    {
      std::lock_guard lock(mutex_);
      records_.insert_or_assign(directory.id(), record);
    }
    if (watch) {
      WatchShim(directory.id(), record.shim);
      WatchMemory(directory.id(), record.shim.pid, spec->memory_bytes);
    }
  }
  return {};
}

base::Result<ContainerState> Runtime::Start(const ContainerSpec& spec) {
  if (spec.argv.empty()) {
    return base::Fail(ErrorKind::kInvalidArgument, "a container without a command");
  }
  ASSIGN_OR_RETURN(ContainerDirectory directory,
                   ContainerDirectory::Of(options_.state_directory, spec.id));
  {
    std::lock_guard lock(mutex_);
    if (records_.contains(spec.id)) {
      return base::Fail(ErrorKind::kAlreadyExists,
                        fmt::format("container {} is already there", directory.marker()));
    }
  }
  std::error_code error;
  fs::create_directories(spec.log_directory, error);
  if (error) {
    return base::Fail(ErrorKind::kUnavailable,
                      fmt::format("create {}: {}", spec.log_directory, error.message()));
  }
  ASSIGN_OR_RETURN(int lock_fd, directory.CreateAndLock());
  Fd lock(lock_fd);

  ShimSpec shim;
  shim.container_id = directory.marker();
  shim.argv = spec.argv;
  shim.environment = spec.environment;
  std::string marker = std::string(kContainerIdVariable) + "=" + directory.marker();
  shim.environment.push_back(marker);
  shim.working_directory = spec.working_directory;
  for (const Mount& mount : spec.mounts) {
    shim.mounts.push_back({fs::absolute(mount.source, error).string(), mount.target,
                           mount.read_only, mount.optional});
  }
  shim.log_directory = fs::absolute(spec.log_directory, error).string();
  shim.log_name = fmt::format("{}.log", spec.id.attempt);
  shim.log_max_bytes = options_.log_max_bytes;
  shim.log_max_files = options_.log_max_files;
  shim.memory_bytes = spec.memory_bytes;
  std::vector<std::string> warnings;
  if (cgroups_.available()) {
    CgroupLimits limits{spec.memory_bytes, spec.cpu_millis, spec.cpu_request_millis,
                        options_.max_processes};
    auto group = cgroups_.Create(
        fmt::format("{}_{}_{}", spec.id.pod_uid, spec.id.container, spec.id.attempt), limits);
    if (group) {
      shim.cgroups = std::move(*group);
    } else {
      warnings.push_back(group.error().message());
    }
  }
  auto undo = [&](base::Error failure) {
    RemoveCgroups(shim.cgroups);
    directory.Remove();
    return base::Fail(std::move(failure));
  };
  if (auto written = directory.WriteSpec(shim); !written) return undo(written.error());

  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    return undo({ErrorKind::kResourceExhausted, fmt::format("pipe: {}", std::strerror(errno))});
  }
  Fd report_read(pipe_fds[0]);
  Fd report_write(pipe_fds[1]);
  net::SpawnOptions spawn;
  spawn.argv = {options_.shim, "run", directory.path()};
  spawn.environment = {marker};
  spawn.working_directory = "/";
  spawn.inherited_fds = {{report_write.get(), kReportFd}, {lock.get(), kLockFd}};
  spawn.new_session = true;
  auto pid = net::Spawn(spawn);
  if (!pid) return undo(pid.error().While("start the container's shim"));
  auto shim_process = net::IdentifyProcess(*pid);
  report_write.Close();
  lock.Close();
  auto report = ReadReport(report_read.get());
  if (!report || !shim_process) {
    if (shim_process) {
      kill(*pid, SIGKILL);
      // Reaps the child; nothing is left to be told.
      if (auto watched = net::WatchExit(loop_, *shim_process, [](int) {}); !watched) {
        base::LogDebug("kubelet", "a failed shim was not reaped",
                       {{"error", watched.error().message()}});
      }
      AwaitGone(*shim_process, kUndoTimeout);
    }
    if (!report && report.error().kind() == ErrorKind::kDeadlineExceeded) {
      KillLeftovers(directory.marker(), shim.cgroups);
    }
    return undo(!report ? report.error() : shim_process.error());
  }
  warnings.insert(warnings.end(), report->warnings.begin(), report->warnings.end());
  Record record{directory,     {spec.id, report->pid, FromNs(report->started_at_ns), {}, {}},
                *shim_process, {static_cast<pid_t>(report->pid), report->start_ticks},
                shim.cgroups,  std::move(warnings)};
  record.state.mounts_refused = MountsRefused(spec, *report);
  ContainerState state = record.state;
  {
    std::lock_guard guard(mutex_);
    records_.insert_or_assign(spec.id, std::move(record));
  }
  WatchShim(spec.id, *shim_process);
  WatchMemory(spec.id, shim_process->pid, spec.memory_bytes);
  return state;
}

void Runtime::WatchShim(const ContainerId& id, const net::ProcessId& shim) {
  auto on_exit = [this, gate = gate_, id](int) {
    std::lock_guard inside(gate->mutex);
    if (gate->open) OnShimGone(id);
  };
  if (auto watched = net::WatchExit(loop_, shim, on_exit); !watched) {
    // Already gone.
    loop_.Post([on_exit] { on_exit(-1); });
  }
}

void Runtime::WatchMemory(const ContainerId& id, pid_t shim, std::int64_t limit_bytes) {
  if (limit_bytes <= 0 || cgroups_.limits_memory()) return;
  loop_.Post([watcher = memory_watcher_, id, shim, limit_bytes] {
    watcher->Watch(id, shim, limit_bytes);
  });
}

void Runtime::OnShimGone(const ContainerId& id) {
  std::optional<Record> record;
  {
    std::unique_lock lock(mutex_);
    if (auto removed = removing_.extract(id); !removed.empty()) {
      lock.unlock();
      FinishRemoval(removed.mapped());
      return;
    }
    auto found = records_.find(id);
    if (found == records_.end() || found->second.state.exit) return;
    record = found->second;
  }
  memory_watcher_->Forget(id);
  std::optional<ShimStatus> status = record->directory.ReadStatus();
  if (!status || !status->exited) {
    KillLeftovers(record->directory.marker(), record->cgroups);
    if (!status) {
      status.emplace();
      status->container_id = record->directory.marker();
      status->pid = record->state.pid;
      status->shim_pid = record->shim.pid;
      status->started_at_ns = record->state.started_at.time_since_epoch().count();
    }
    status = Crashed(record->directory, *status);
  }
  RemoveCgroups(record->cgroups);
  std::function<void(const ContainerState&)> callback;
  ContainerState state;
  {
    std::unique_lock lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) {
      // Another thread has removed it meanwhile.
      removing_.erase(id);
      lock.unlock();
      record->directory.Remove();
      return;
    }
    found->second.state.exit = ExitOf(*status);
    state = found->second.state;
    callback = on_exit_;
  }
  if (callback) callback(state);
}

void Runtime::OnMemoryExceeded(const ContainerId& id, std::int64_t bytes) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(id);
  if (found == records_.end() || found->second.state.exit) return;
  base::LogInfo("kubelet", "a container uses more memory than its limit",
                {{"container", found->second.directory.marker()}, {"bytes", bytes}});
  found->second.directory.MarkOutOfMemory();
  SendSignal(found->second.program, SIGKILL);
}

base::Result<> Runtime::Signal(const ContainerId& id, int signal) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(id);
  if (found == records_.end() || found->second.state.exit ||
      !SendSignal(found->second.program, signal)) {
    return base::Fail(ErrorKind::kNotFound,
                      fmt::format("container {}/{} is not running", id.pod_uid, id.container));
  }
  return {};
}

void Runtime::Remove(const ContainerId& id) {
  std::optional<Record> record;
  {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end()) return;
    record = found->second;
    records_.erase(found);
    // The shim is watched already: the rest is done when it is gone.
    if (!record->state.exit) removing_.emplace(id, *record);
  }
  loop_.Post([watcher = memory_watcher_, id] { watcher->Forget(id); });
  if (record->state.exit) {
    FinishRemoval(*record);
    return;
  }
  SendSignal(record->program, SIGKILL);
  // A process that is gone by then is not found, so a timer that comes too late does nothing.
  loop_.After(kRemoveTimeout, [shim = record->shim] { SendSignal(shim, SIGKILL); });
}

void Runtime::FinishRemoval(const Record& record) {
  const std::optional<ShimStatus> status = record.directory.ReadStatus();
  // A shim that was killed itself has left its processes.
  if (!status || !status->exited) KillLeftovers(record.directory.marker(), record.cgroups);
  RemoveCgroups(record.cgroups);
  record.directory.Remove();
}

base::Result<ContainerStats> Runtime::Stats(const ContainerId& id) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(id);
  if (found == records_.end() || found->second.state.exit) {
    return base::Fail(ErrorKind::kNotFound,
                      fmt::format("container {}/{} is not running", id.pod_uid, id.container));
  }
  const Record& record = found->second;
  CgroupUsage usage = CgroupManager::Usage(record.cgroups);
  ContainerStats stats{usage.cpu_time, usage.memory_bytes, CgroupOomKills(record.cgroups)};
  if (!usage.has_cpu || !usage.has_memory) {
    base::MonoTime now = loop_.Now();
    if (!table_ || now - table_read_ > kTableAge) {
      table_ = std::make_shared<const ProcessTable>(ProcessTable::Read());
      table_read_ = now;
    }
    TreeUsage tree = UsageOfTree(*table_, record.shim.pid);
    if (!usage.has_cpu) stats.cpu_time = tree.cpu_time;
    if (!usage.has_memory) stats.memory_bytes = tree.memory_bytes;
  }
  return stats;
}

void Runtime::ExecCapture(const ContainerId& id, std::vector<std::string> argv,
                          milliseconds timeout,
                          std::function<void(base::Result<ExecOutput>)> done) {
  ExecTarget target;
  {
    std::lock_guard lock(mutex_);
    auto found = records_.find(id);
    if (found == records_.end() || found->second.state.exit) {
      loop_.Post([done = std::move(done), id] {
        done(base::Fail(ErrorKind::kNotFound,
                        fmt::format("container {}/{} is not running", id.pod_uid, id.container)));
      });
      return;
    }
    const Record& record = found->second;
    target = {options_.shim, record.directory.path(), record.directory.marker(), record.program};
  }
  RunInContainer(loop_, target, std::move(argv), timeout, std::move(done));
}

}  // namespace

base::Result<std::unique_ptr<ProcessRuntime>> ProcessRuntime::Create(
    net::EventLoop& loop, ProcessRuntimeOptions options) {
  std::error_code error;
  if (options.shim.empty()) {
    options.shim =
        (fs::read_symlink("/proc/self/exe", error).parent_path() / "enclave-shim").string();
  }
  options.shim = fs::absolute(options.shim, error).string();
  if (access(options.shim.c_str(), X_OK) != 0) {
    return base::Fail(ErrorKind::kNotFound,
                      fmt::format("{}: {}; the shim belongs beside the enclave program",
                                  options.shim, std::strerror(errno)));
  }
  auto runtime = std::make_unique<Runtime>(loop, std::move(options));
  RETURN_IF_ERROR(runtime->Adopt());
  return std::unique_ptr<ProcessRuntime>(std::move(runtime));
}

base::Result<int> ProcessRuntime::KillAll(const std::string& state_directory, milliseconds grace) {
  std::string enclave = EnclaveId(state_directory);
  struct Running {
    net::ProcessId shim;
    net::ProcessId program;
  };
  std::vector<Running> running;
  std::vector<std::string> cgroups;
  for (const ContainerDirectory& directory : ContainerDirectory::All(state_directory)) {
    if (auto spec = directory.ReadSpec()) {
      cgroups.insert(cgroups.end(), spec->cgroups.begin(), spec->cgroups.end());
    }
    if (!directory.ShimAlive()) continue;
    auto status = directory.AwaitStatus(kAdoptTimeout);
    if (!status) continue;
    running.push_back({{static_cast<pid_t>(status->shim_pid), status->shim_start_ticks},
                       {static_cast<pid_t>(status->pid), status->start_ticks}});
  }
  auto deadline = std::chrono::steady_clock::now() + grace;
  if (grace > milliseconds(0)) {
    for (const Running& container : running) SendSignal(container.program, SIGTERM);
    for (const Running& container : running) {
      auto left =
          std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
      AwaitGone(container.shim, std::max(left, milliseconds(0)));
    }
  }
  // The shim kills its other descendants itself once the program is dead, and records the exit.
  for (const Running& container : running) SendSignal(container.program, SIGKILL);
  for (const Running& container : running) AwaitGone(container.shim, kRemoveTimeout);
  KillLeftovers(enclave, cgroups);
  CgroupManager::Detect("enclave-" + enclave).DestroyAll();
  RemoveCgroups(cgroups);
  std::set<std::string> parents;
  for (const std::string& cgroup : cgroups) parents.insert(fs::path(cgroup).parent_path());
  RemoveCgroups({parents.begin(), parents.end()});
  return static_cast<int>(running.size());
}

}  // namespace enclave::cluster
