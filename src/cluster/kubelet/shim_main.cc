// enclave-shim: the small process that stands beside every container. It outlives the cluster
// process, so that a container keeps its parent, its log and its exit code whatever happens to the
// kubelet.
//
//   enclave-shim run DIRECTORY
//     Runs the container whose `spec` is in DIRECTORY (docs/formats/container-state.md). Answers on
//     descriptor 3 once the program runs or cannot run; descriptor 4 is the locked file that tells
//     everybody that this shim is alive.
//   enclave-shim exec DIRECTORY PID START_TICKS TIMEOUT_MS -- COMMAND...
//     Runs a command as the program PID of that container runs; answers on descriptor 3.
//
// Single-threaded, standard library only, linked statically: a few hundred kilobytes resident.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cluster/kubelet/cgroup_files.h"
#include "cluster/kubelet/container_files.h"
#include "cluster/kubelet/shim_log_writer.h"
#include "cluster/kubelet/shim_mounts.h"

namespace enclave::cluster {
namespace {

constexpr int kReportFd = 3;
constexpr int kLockFd = 4;
// A status is written over this many reserved bytes, so that a full disk cannot keep an exit code
// from being recorded.
constexpr std::size_t kReservedStatusBytes = 4096;
constexpr std::int64_t kKillPatienceNs = 10'000'000'000;

std::int64_t Now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}
std::int64_t WallNs() {
  return Now(CLOCK_REALTIME);
}
std::int64_t MonoNs() {
  return Now(CLOCK_MONOTONIC);
}

void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// "error ERRNO MESSAGE\n" on the report descriptor.
[[noreturn]] void Refuse(int error, const std::string& message) {
  WriteAll(kReportFd, "error " + std::to_string(error) + " " + message + "\n");
  _exit(1);
}

std::string FindProgram(const std::string& name, const std::vector<std::string>& environment,
                        int* error) {
  *error = ENOENT;
  if (name.find('/') != std::string::npos) {
    if (access(name.c_str(), X_OK) != 0) *error = errno;
    return name;
  }
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& variable : environment) {
    if (variable.starts_with("PATH=")) path = variable.substr(5);
  }
  std::size_t at = 0;
  while (at <= path.size()) {
    std::size_t colon = path.find(':', at);
    if (colon == std::string::npos) colon = path.size();
    std::string candidate = path.substr(at, colon - at);
    candidate = candidate.empty() ? name : candidate + "/" + name;
    struct stat info;
    if (stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
      *error = EACCES;
    }
    at = colon + 1;
  }
  return "";
}

struct ExecFailure {
  int error;
  char stage[60];
};

// In the forked child: becomes the program, or says why not on `failure_fd`.
[[noreturn]] void BecomeProgram(const std::string& program, char* const* argv, char* const* envp,
                                const ShimSpec& spec, pid_t parent, int stdout_fd, int stderr_fd,
                                int failure_fd) {
  auto fail = [&](const char* stage) {
    ExecFailure failure{errno, {}};
    std::snprintf(failure.stage, sizeof failure.stage, "%s", stage);
    // The shim reads this before it does anything else; a lost report shows as a killed child.
    [[maybe_unused]] ssize_t n = write(failure_fd, &failure, sizeof failure);
    _exit(127);
  };
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  if (!JoinCgroups(spec.cgroups).empty()) fail("join the cgroup");
  int null = open("/dev/null", O_RDWR);
  if (null < 0) fail("open /dev/null");
  dup2(null, 0);
  if (stdout_fd >= 0) dup2(stdout_fd, 1);
  if (stderr_fd >= 0) dup2(stderr_fd, 2);
  if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0) {
    for (int fd = 3; fd < 1024; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!spec.working_directory.empty() && chdir(spec.working_directory.c_str()) != 0) {
    fail("change the working directory");
  }
  execve(program.c_str(), argv, envp);
  fail("exec");
  _exit(127);
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Our children by the kernel's list; where it has none, by a scan of /proc.
std::vector<pid_t> Children() {
  std::vector<pid_t> pids;
  pid_t self = getpid();
  std::string self_text = std::to_string(self);
  if (auto text = ReadSmallFile("/proc/self/task/" + self_text + "/children")) {
    const char* at = text->data();
    const char* end = at + text->size();
    while (at < end) {
      pid_t pid = 0;
      auto [next, error] = std::from_chars(at, end, pid);
      if (error != std::errc()) break;
      pids.push_back(pid);
      at = next + 1;
    }
    return pids;
  }
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return pids;
  while (dirent* entry = readdir(proc)) {
    pid_t pid = static_cast<pid_t>(std::atoi(entry->d_name));
    if (pid <= 0) continue;
    auto stat = ReadSmallFile(std::string("/proc/") + entry->d_name + "/stat", 4096);
    if (!stat) continue;
    std::size_t close = stat->rfind(')');
    if (close == std::string::npos || close + 4 > stat->size()) continue;
    if (std::atoi(stat->c_str() + close + 4) == self) pids.push_back(pid);
  }
  closedir(proc);
  return pids;
}

int SignalDescriptor() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGQUIT}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  for (int signal : {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM}) ::signal(signal, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// What one forked program needs to be reaped: its wait status once it ended.
class Family {
 public:
  explicit Family(const std::vector<std::string>& cgroups) : cgroups_(cgroups) {}

  // Forks the program; returns the error that kept it from running, or "".
  std::string Start(const ShimSpec& spec, int stdout_fd, int stderr_fd, int* error) {
    std::string program = FindProgram(spec.argv[0], spec.environment, error);
    if (program.empty())
      return "exec: \"" + spec.argv[0] + "\": executable file not found in $PATH";
    std::vector<char*> argv = Pointers(spec.argv);
    std::vector<char*> envp = Pointers(spec.environment);
    int failure[2];
    if (pipe2(failure, O_CLOEXEC) != 0) {
      *error = errno;
      return "pipe";
    }
    pid_t self = getpid();
    main_ = fork();
    if (main_ == 0) {
      BecomeProgram(program, argv.data(), envp.data(), spec, self, stdout_fd, stderr_fd,
                    failure[1]);
    }
    *error = errno;
    close(failure[1]);
    if (main_ < 0) {
      close(failure[0]);
      return "fork";
    }
    ExecFailure report{};
    ssize_t n = 0;
    do {
      n = read(failure[0], &report, sizeof report);
    } while (n < 0 && errno == EINTR);
    close(failure[0]);
    if (n != sizeof report) return "";
    waitpid(main_, nullptr, 0);
    *error = report.error;
    std::string what = report.stage;
    if (what == "exec") what = "exec: \"" + program + "\"";
    if (what == "change the working directory") what += " to " + spec.working_directory;
    return what;
  }

  pid_t main() const { return main_; }
  bool ended() const { return ended_; }
  int wait_status() const { return wait_status_; }

  // Reaps what has ended. False once no child is left.
  bool Reap() {
    while (true) {
      int status = 0;
      pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid == 0) return true;
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) return false;
      if (pid == main_) {
        ended_ = true;
        wait_status_ = status;
      }
    }
  }

  // Kills and reaps all descendants: whoever loses its parent becomes our child, because this
  // process is a subreaper.
  void KillAll(int signal_fd) {
    std::int64_t deadline = MonoNs() + kKillPatienceNs;
    do {
      KillCgroups(cgroups_);
      for (pid_t pid : Children()) kill(pid, SIGKILL);
      if (!Reap()) return;
      struct pollfd wait{signal_fd, POLLIN, 0};
      poll(&wait, 1, 10);
      struct signalfd_siginfo info;
      while (read(signal_fd, &info, sizeof info) == sizeof info) continue;
    } while (Reap() && MonoNs() < deadline);
  }

 private:
  const std::vector<std::string>& cgroups_;
  pid_t main_ = -1;
  bool ended_ = false;
  int wait_status_ = 0;
};

// One of the program's outputs on its way into the log.
struct Output {
  ShimLogWriter::Stream stream;
  int fd;
};

// False at its end.
bool Pump(Output& output, ShimLogWriter& log) {
  char buffer[16 << 10];
  ssize_t n = read(output.fd, buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  std::int64_t now = WallNs();
  if (n <= 0) {
    log.Finish(output.stream, now);
    close(output.fd);
    output.fd = -1;
    return false;
  }
  log.Append(output.stream, std::string_view(buffer, static_cast<std::size_t>(n)), now);
  return true;
}

class StatusFile {
 public:
  explicit StatusFile(int directory_fd) : directory_fd_(directory_fd) {}

  bool WriteRunning(const ShimStatus& status) {
    int fd =
        openat(directory_fd_, "status.json.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    std::string text = EncodeShimStatus(status);
    bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    if (!done || renameat(directory_fd_, "status.json.tmp", directory_fd_, "status.json") != 0) {
      return false;
    }
    reserved_fd_ =
        openat(directory_fd_, "exit.json.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    std::string blank(kReservedStatusBytes, ' ');
    blank.back() = '\n';
    return reserved_fd_ >= 0 &&
           write(reserved_fd_, blank.data(), blank.size()) == static_cast<ssize_t>(blank.size());
  }

  void WriteExited(ShimStatus status) {
    if (EncodeShimStatus(status).size() > kReservedStatusBytes) status.warnings.clear();
    std::string text = EncodeShimStatus(status);
    [[maybe_unused]] ssize_t n = pwrite(reserved_fd_, text.data(), text.size(), 0);
    [[maybe_unused]] int cut = ftruncate(reserved_fd_, static_cast<off_t>(text.size()));
    fsync(reserved_fd_);
    renameat(directory_fd_, "exit.json.tmp", directory_fd_, "status.json");
    fsync(directory_fd_);
  }

 private:
  const int directory_fd_;
  int reserved_fd_ = -1;
};

int RunContainer(const std::string& directory) {
  prctl(PR_SET_NAME, "enclave-shim");
  int signal_fd = SignalDescriptor();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) Refuse(errno, "become a subreaper");
  fcntl(kReportFd, F_SETFD, FD_CLOEXEC);
  fcntl(kLockFd, F_SETFD, FD_CLOEXEC);

  auto text = ReadSmallFile(directory + "/spec", 16 << 20);
  if (!text) Refuse(errno, "read " + directory + "/spec");
  auto spec = DecodeShimSpec(*text);
  if (!spec) Refuse(EINVAL, directory + "/spec is not a container spec of this version");
  std::string().swap(*text);

  // Held open before the mounts change what the paths mean.
  int directory_fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd < 0) Refuse(errno, "open " + directory);
  int log_fd = open(spec->log_directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (log_fd < 0) Refuse(errno, "open " + spec->log_directory);
  if (chdir("/") != 0) Refuse(errno, "chdir /");

  ShimStatus status;
  status.container_id = spec->container_id;
  if (auto boot_id = ReadSmallFile("/proc/sys/kernel/random/boot_id")) {
    status.boot_id = boot_id->substr(0, boot_id->find('\n'));
  }
  MountOutcome mounts = EnterPrivateMounts(spec->mounts, directory);
  if (!mounts.error.empty()) Refuse(EINVAL, mounts.error);
  status.isolated = mounts.isolated;
  status.warnings = mounts.warnings;

  int stdout_pipe[2];
  int stderr_pipe[2];
  if (pipe2(stdout_pipe, O_CLOEXEC) != 0 || pipe2(stderr_pipe, O_CLOEXEC) != 0) {
    Refuse(errno, "pipe");
  }
  Family family(spec->cgroups);
  int error = 0;
  std::string failure = family.Start(*spec, stdout_pipe[1], stderr_pipe[1], &error);
  if (!failure.empty()) Refuse(error, failure + ": " + std::strerror(error));
  close(stdout_pipe[1]);
  close(stderr_pipe[1]);

  status.shim_pid = getpid();
  status.shim_start_ticks = ProcessStartTicks(getpid()).value_or(0);
  status.pid = family.main();
  status.start_ticks = ProcessStartTicks(family.main()).value_or(0);
  status.started_at_ns = WallNs();
  StatusFile status_file(directory_fd);
  if (!status_file.WriteRunning(status)) {
    int write_error = errno;
    family.KillAll(signal_fd);
    Refuse(write_error, "write " + directory + "/status.json: " + std::strerror(write_error));
  }
  for (const std::string& warning : status.warnings) {
    WriteAll(kReportFd, "warning " + warning + "\n");
  }
  std::string report =
      "ok " + std::to_string(status.pid) + " " + std::to_string(status.start_ticks) + " " +
      std::to_string(status.shim_start_ticks) + " " + std::to_string(status.started_at_ns) + " " +
      (status.isolated ? "isolated" : "open") + "\n";
  WriteAll(kReportFd, report);
  close(kReportFd);

  ShimLogWriter log(log_fd, spec->log_name, spec->log_max_bytes, spec->log_max_files);
  Output outputs[2] = {{ShimLogWriter::Stream::kStdout, stdout_pipe[0]},
                       {ShimLogWriter::Stream::kStderr, stderr_pipe[0]}};
  for (Output& output : outputs) fcntl(output.fd, F_SETFL, O_NONBLOCK);

  while (!family.ended()) {
    bool writable = log.Flush(WallNs());
    struct pollfd waits[3] = {{signal_fd, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}};
    if (writable) {
      for (int i = 0; i < 2; ++i) waits[i + 1].fd = outputs[i].fd;
    }
    poll(waits, 3, writable ? -1 : 100);
    for (int i = 0; i < 2; ++i) {
      if (writable && waits[i + 1].revents != 0) Pump(outputs[i], log);
    }
    if (waits[0].revents != 0) {
      struct signalfd_siginfo info;
      while (read(signal_fd, &info, sizeof info) == sizeof info) {
        // The machine shuts down: the program gets its chance to end well.
        if (info.ssi_signo != SIGCHLD) kill(family.main(), static_cast<int>(info.ssi_signo));
      }
      family.Reap();
    }
  }
  status.finished_at_ns = WallNs();
  family.KillAll(signal_fd);

  // Nobody writes any more: what is in the pipes is all there is.
  std::int64_t deadline = MonoNs() + 2 * ShimLogWriter::kPatienceNs;
  for (Output& output : outputs) {
    while (output.fd >= 0 && MonoNs() < deadline) {
      if (!log.Flush(WallNs())) {
        poll(nullptr, 0, 50);
        continue;
      }
      struct pollfd wait{output.fd, POLLIN, 0};
      // No end and nothing to read: a process that could not be killed holds the pipe.
      if (poll(&wait, 1, 0) <= 0) log.Finish(output.stream, WallNs());
      if (wait.revents == 0) break;
      Pump(output, log);
    }
  }
  while (!log.Flush(WallNs()) && MonoNs() < deadline) poll(nullptr, 0, 50);

  int wait_status = family.wait_status();
  status.exited = true;
  if (WIFSIGNALED(wait_status)) {
    status.signal = WTERMSIG(wait_status);
    status.exit_code = 128 + status.signal;
  } else {
    status.exit_code = WEXITSTATUS(wait_status);
  }
  // `oom` is put there by the kubelet's own memory watch before it kills.
  bool watched_oom = faccessat(directory_fd, "oom", F_OK, 0) == 0;
  bool kernel_oom = CgroupOomKills(spec->cgroups) > 0;
  status.oom_killed = status.exit_code == 128 + SIGKILL && (watched_oom || kernel_oom);
  status_file.WriteExited(status);
  return 0;
}

bool EnterNamespace(pid_t pid, const char* name) {
  std::string other = "/proc/" + std::to_string(pid) + "/ns/" + name;
  std::string own = std::string("/proc/self/ns/") + name;
  struct stat other_info;
  struct stat own_info;
  if (stat(other.c_str(), &other_info) != 0 || stat(own.c_str(), &own_info) != 0) return false;
  if (other_info.st_ino == own_info.st_ino && other_info.st_dev == own_info.st_dev) return true;
  int fd = open(other.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool entered = setns(fd, 0) == 0;
  close(fd);
  return entered;
}

int ExecInContainer(const std::string& directory, pid_t pid, std::uint64_t start_ticks,
                    std::int64_t timeout_ms, std::vector<std::string> command) {
  prctl(PR_SET_NAME, "enclave-shim");
  int signal_fd = SignalDescriptor();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  fcntl(kReportFd, F_SETFD, FD_CLOEXEC);
  auto text = ReadSmallFile(directory + "/spec", 16 << 20);
  auto spec = text ? DecodeShimSpec(*text) : std::nullopt;
  if (!spec) Refuse(EINVAL, "read " + directory + "/spec");
  int container = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (container < 0 || ProcessStartTicks(pid) != start_ticks) {
    Refuse(ESRCH, "the container is not running");
  }
  fcntl(container, F_SETFD, FD_CLOEXEC);
  if (!EnterNamespace(pid, "user") || !EnterNamespace(pid, "mnt")) {
    Refuse(errno, std::string("enter the container's namespaces: ") + std::strerror(errno));
  }
  spec->argv = std::move(command);
  // The command joins the container's groups, but only its own processes are killed at its end.
  std::vector<std::string> none;
  Family commands(none);
  int error = 0;
  std::string failure = commands.Start(*spec, 1, 2, &error);
  if (!failure.empty()) Refuse(error, failure + ": " + std::strerror(error));
  std::int64_t deadline = MonoNs() + timeout_ms * 1'000'000;
  bool timed_out = false;
  bool container_gone = false;
  while (!commands.ended() && !timed_out && !container_gone) {
    std::int64_t left_ms = timeout_ms > 0 ? (deadline - MonoNs() + 999'999) / 1'000'000 : -1;
    if (timeout_ms > 0 && left_ms <= 0) {
      timed_out = true;
      break;
    }
    struct pollfd waits[2] = {{signal_fd, POLLIN, 0}, {container, POLLIN, 0}};
    poll(waits, 2, static_cast<int>(left_ms));
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD) kill(commands.main(), static_cast<int>(info.ssi_signo));
    }
    commands.Reap();
    container_gone = waits[1].revents != 0;
  }
  bool ended = commands.ended();
  commands.KillAll(signal_fd);
  if (ended) {
    int wait_status = commands.wait_status();
    int code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
    WriteAll(kReportFd, "exit " + std::to_string(code) + "\n");
  } else if (timed_out) {
    WriteAll(kReportFd, "timeout\n");
  } else {
    Refuse(ESRCH, "the container ended");
  }
  return 0;
}

}  // namespace

int ShimMain(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() == 2 && args[0] == "run") return RunContainer(args[1]);
  if (args.size() > 6 && args[0] == "exec" && args[5] == "--") {
    return ExecInContainer(args[1], static_cast<pid_t>(std::atoi(args[2].c_str())),
                           std::strtoull(args[3].c_str(), nullptr, 10), std::atoll(args[4].c_str()),
                           std::vector<std::string>(args.begin() + 6, args.end()));
  }
  std::fprintf(stderr,
               "usage: enclave-shim run DIRECTORY\n"
               "       enclave-shim exec DIRECTORY PID START_TICKS TIMEOUT_MS -- COMMAND...\n"
               "Started by the enclave's kubelet, one for each container.\n");
  return 2;
}

}  // namespace enclave::cluster

int main(int argc, char** argv) {
  return enclave::cluster::ShimMain(argc, argv);
}
