#include "net/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Result;

// A descriptor that is closed at the end of its scope.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

ErrorKind KindOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorKind::kNotFound;
    case EACCES:
    case EPERM:
      return ErrorKind::kPermissionDenied;
    case ENOEXEC:
    case E2BIG:
    case EINVAL:
    case EBADF:
      return ErrorKind::kInvalidArgument;
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return ErrorKind::kResourceExhausted;
    default:
      return ErrorKind::kInternal;
  }
}

std::unexpected<base::Error> SystemFail(int error, const std::string& doing) {
  return base::Fail(KindOf(error), doing + ": " + std::strerror(error));
}

bool IsRunnableFile(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

// The file that argv[0] names. PATH is the child's own where it has one.
Result<std::string> FindProgram(const SpawnOptions& options) {
  const std::string& name = options.argv.front();
  if (name.find('/') != std::string::npos) return name;
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  if (const char* ours = getenv("PATH"); ours != nullptr) path = ours;
  for (const std::string& entry : options.environment) {
    if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
  }
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(':'), path.size());
    const std::string folder = end == 0 ? "." : std::string(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
    if (std::string candidate = folder + "/" + name; IsRunnableFile(candidate)) return candidate;
  }
  return base::Fail(ErrorKind::kNotFound,
                    fmt::format("starting '{}': no program of this name in PATH", name));
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

struct FileActions {
  FileActions() { posix_spawn_file_actions_init(&value); }
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t value;
};

struct Attributes {
  Attributes() { posix_spawnattr_init(&value); }
  ~Attributes() { posix_spawnattr_destroy(&value); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t value;
};

// Writes down in `actions` how the child's descriptors come to be. Sources are first duplicated
// above all targets, in this process, so that no target overwrites a source still needed; the
// duplicates close themselves on exec and, through `duplicates`, here.
int PlanDescriptors(const SpawnOptions& options, FileActions& actions,
                    std::vector<OwnedFd>& duplicates) {
  std::vector<std::pair<int, int>> plan = {
      {options.stdin_fd, 0}, {options.stdout_fd, 1}, {options.stderr_fd, 2}};
  plan.insert(plan.end(), options.inherited_fds.begin(), options.inherited_fds.end());
  int highest = 2;
  for (const auto& [source, target] : plan) highest = std::max(highest, target);
  std::vector<bool> used(static_cast<std::size_t>(highest) + 1, false);
  for (const auto& [source, target] : plan) {
    if (target < 0) return EBADF;
    used[static_cast<std::size_t>(target)] = true;
    int error = 0;
    if (source < 0 && target <= 2) {
      error = posix_spawn_file_actions_addopen(&actions.value, target, "/dev/null",
                                               target == 0 ? O_RDONLY : O_WRONLY, 0);
    } else {
      const int duplicate = fcntl(source, F_DUPFD_CLOEXEC, highest + 1);
      if (duplicate < 0) return errno;
      duplicates.emplace_back(duplicate);
      error = posix_spawn_file_actions_adddup2(&actions.value, duplicate, target);
    }
    if (error != 0) return error;
  }
  for (int fd = 0; fd <= highest; ++fd) {
    if (used[static_cast<std::size_t>(fd)]) continue;
    if (const int error = posix_spawn_file_actions_addclose(&actions.value, fd)) return error;
  }
  return posix_spawn_file_actions_addclosefrom_np(&actions.value, highest + 1);
}

int PlanAttributes(const SpawnOptions& options, Attributes& attributes) {
  // What this process ignores or blocks is its own affair; exec would hand both on.
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  if (options.new_session) flags |= POSIX_SPAWN_SETSID;
  int error = posix_spawnattr_setsigdefault(&attributes.value, &all);
  if (error == 0) error = posix_spawnattr_setsigmask(&attributes.value, &none);
  if (error == 0) {
    error = posix_spawnattr_setflags(&attributes.value, static_cast<short>(flags));
  }
  return error;
}

// What /proc/PID/stat tells; the name in it may contain anything, so fields count from the last
// ')'.
struct Stat {
  char state = '?';
  std::uint64_t start_ticks = 0;
};

Result<Stat> ReadStat(pid_t pid) {
  const std::string path = fmt::format("/proc/{}/stat", pid);
  const OwnedFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[2048];
  const ssize_t size = file.get() >= 0 ? read(file.get(), buffer, sizeof buffer) : -1;
  if (size <= 0) {
    // Reading says ESRCH when the process went away after the open.
    return base::Fail(ErrorKind::kNotFound, fmt::format("there is no process {}", pid));
  }
  std::string_view text(buffer, static_cast<std::size_t>(size));
  const std::size_t name_end = text.rfind(')');
  constexpr int kStateField = 3;
  constexpr int kStartField = 22;
  Stat stat;
  if (name_end != std::string_view::npos) {
    text.remove_prefix(name_end + 1);
    for (int field = kStateField; !text.empty(); ++field) {
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
      const std::size_t end = std::min(text.find(' '), text.size());
      if (field == kStateField && end == 1) stat.state = text.front();
      if (field == kStartField) {
        const auto parsed = std::from_chars(text.data(), text.data() + end, stat.start_ticks);
        if (parsed.ec == std::errc()) return stat;
        break;
      }
      text.remove_prefix(end);
    }
  }
  return base::Fail(ErrorKind::kInternal, path + " has an unknown form");
}

// Waits on a pidfd until its process is gone, then hands over how.
class ExitWatch : public std::enable_shared_from_this<ExitWatch> {
 public:
  ExitWatch(EventLoop& loop, pid_t pid, OwnedFd pidfd, std::function<void(int)> on_exit)
      : loop_(loop),
        pid_(pid),
        descriptor_(loop.context(), pidfd.release()),
        on_exit_(std::move(on_exit)) {}

  void Wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& ec) {
                             if (!ec) self->OnReadable();
                           });
  }

 private:
  void OnReadable() {
    int status = -1;
    pid_t reaped = 0;
    do {
      reaped = waitpid(pid_, &status, WNOHANG);
    } while (reaped < 0 && errno == EINTR);
    if (reaped == 0) {  // a child of ours, not dead yet
      Wait();
      return;
    }
    loop_.Post([on_exit = std::move(on_exit_), status = reaped == pid_ ? status : -1] {
      on_exit(status);
    });
  }

  EventLoop& loop_;
  const pid_t pid_;
  asio::posix::stream_descriptor descriptor_;
  std::function<void(int)> on_exit_;
};

}  // namespace

Result<pid_t> Spawn(const SpawnOptions& options) {
  if (options.argv.empty() || options.argv.front().empty()) {
    return base::Fail(ErrorKind::kInvalidArgument, "starting a process: no program is given");
  }
  const std::string doing = fmt::format("starting '{}'", options.argv.front());
  ASSIGN_OR_RETURN(const std::string program, FindProgram(options));
  FileActions actions;
  Attributes attributes;
  std::vector<OwnedFd> duplicates;
  int error = PlanDescriptors(options, actions, duplicates);
  if (error == 0 && !options.working_directory.empty()) {
    error = posix_spawn_file_actions_addchdir_np(&actions.value, options.working_directory.c_str());
  }
  if (error == 0) error = PlanAttributes(options, attributes);
  if (error != 0) return SystemFail(error, doing);
  // glibc starts the child with CLONE_VM | CLONE_VFORK: no page table is copied, whatever our size,
  // and an error of exec comes back through the shared memory.
  pid_t pid = 0;
  error = posix_spawn(&pid, program.c_str(), &actions.value, &attributes.value,
                      Pointers(options.argv).data(), Pointers(options.environment).data());
  if (error == 0) return pid;
  if (!options.working_directory.empty()) {
    struct stat info{};
    if (stat(options.working_directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
      return SystemFail(error, doing + " in the folder '" + options.working_directory + "'");
    }
  }
  return SystemFail(error, doing);
}

Result<ProcessId> IdentifyProcess(pid_t pid) {
  ASSIGN_OR_RETURN(const Stat stat, ReadStat(pid));
  return ProcessId{pid, stat.start_ticks};
}

bool IsAlive(const ProcessId& process) {
  const auto stat = ReadStat(process.pid);
  return stat && stat->start_ticks == process.start_ticks && stat->state != 'Z' &&
         stat->state != 'X';
}

Result<> WatchExit(EventLoop& loop, const ProcessId& process,
                   std::function<void(int wait_status)> on_exit) {
  OwnedFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (pidfd.get() < 0 && errno != ESRCH) {
    return SystemFail(errno, fmt::format("watching process {}", process.pid));
  }
  // Compared after the descriptor was opened, which from then on means this process only.
  const auto identity =
      pidfd.get() >= 0 ? IdentifyProcess(process.pid) : base::Fail(ErrorKind::kNotFound, "gone");
  if (!identity || identity->start_ticks != process.start_ticks) {
    loop.Post([on_exit = std::move(on_exit)] { on_exit(-1); });
    return {};
  }
  std::make_shared<ExitWatch>(loop, process.pid, std::move(pidfd), std::move(on_exit))->Wait();
  return {};
}

}  // namespace enclave::net
