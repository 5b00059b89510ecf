#include "system/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "system/eventually.h"

extern char** environ;

namespace enclave::system_test {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) == 0) {
      read = fds[0];
      write = fds[1];
    }
  }
};

std::vector<std::string> Environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (!changes.contains(text.substr(0, text.find('=')))) environment.push_back(text);
  }
  for (const auto& [name, value] : changes)
    if (!value.empty()) environment.push_back(name + "=" + value);
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The process groups that run, each led by a child that was not waited for yet: its number cannot
// belong to anything else.
class Groups {
 public:
  // -1 when it did not start.
  pid_t Add(const std::function<pid_t()>& start) {
    const std::unique_lock lock = Lock();
    const pid_t pid = start();
    if (pid > 0) running_.insert(pid);
    return pid;
  }
  // waitpid; true when the child ended.
  bool Wait(pid_t pid, int* status, int options) {
    if ((options & WNOHANG) == 0) {
      // Waits without the lock, and takes the number out before it is free again.
      siginfo_t info{};
      while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 &&
             errno == EINTR)
        continue;
    }
    const std::unique_lock lock = Lock();
    if (::waitpid(pid, status, options) != pid) return false;
    running_.erase(pid);
    return true;
  }
  void KillAll() {
    const std::unique_lock lock = Lock();
    ending_ = std::this_thread::get_id();
    for (const pid_t pid : running_) ::kill(-pid, SIGKILL);
  }

 private:
  // Once one thread ends everything, the others come no further: a test that went on would see
  // nothing but failures.
  std::unique_lock<std::mutex> Lock() {
    std::unique_lock lock(mutex_);
    if (ending_ == std::thread::id() || ending_ == std::this_thread::get_id()) return lock;
    lock.unlock();
    for (;;) ::pause();
  }

  std::mutex mutex_;
  std::thread::id ending_;
  std::set<pid_t> running_;
};

Groups& RunningGroups() {
  static Groups& groups = *new Groups;  // outlives what ends late
  return groups;
}

// Starts argv in a process group of its own, with signals as a shell would hand them on; -1 when it
// cannot be started.
pid_t Start(std::vector<std::string> argv, const RunOptions& options, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  if (!options.directory.empty())
    posix_spawn_file_actions_addchdir_np(&actions, options.directory.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &broken_pipe);
  std::vector<std::string> environment = Environment(options.environment);
  const pid_t started = RunningGroups().Add([&] {
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes,
                                     Pointers(argv).data(), Pointers(environment).data());
    return error == 0 ? pid : -1;
  });
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return started;
}

int ExitCode(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int MillisecondsLeft(steady_clock::time_point deadline) {
  const auto left = duration_cast<milliseconds>(deadline - steady_clock::now()).count();
  return static_cast<int>(std::max<long long>(left, 0));
}

}  // namespace

std::string Output::Story() const {
  return fmt::format("$ {}\n{}{}(exit code {})\n", command, out, err, code);
}

Output Execute(const std::vector<std::string>& argv, const RunOptions& options) {
  Output result;
  result.command = fmt::format("{}", fmt::join(argv, " "));
  Pipe in;
  Pipe out;
  Pipe err;
  const pid_t pid = Start(argv, options, in.read, out.write, err.write);
  ::close(in.read);
  ::close(out.write);
  ::close(err.write);
  if (pid < 0) {
    result.err = "cannot be started";
    ::close(in.write);
    ::close(out.read);
    ::close(err.read);
    return result;
  }
  ::fcntl(in.write, F_SETFL, O_NONBLOCK);
  const auto deadline = steady_clock::now() + options.timeout;
  std::size_t written = 0;
  if (options.input.empty()) {
    ::close(in.write);
    in.write = -1;
  }
  bool timed_out = false;
  while (out.read >= 0 || err.read >= 0) {
    pollfd waiting[3] = {{out.read, POLLIN, 0}, {err.read, POLLIN, 0}, {in.write, POLLOUT, 0}};
    if (::poll(waiting, 3, MillisecondsLeft(deadline)) == 0) {
      timed_out = true;
      ::kill(-pid, SIGKILL);
      break;
    }
    int* const ends[2] = {&out.read, &err.read};
    std::string* const texts[2] = {&result.out, &result.err};
    for (int i = 0; i < 2; ++i) {
      if (*ends[i] < 0 || waiting[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t n = ::read(*ends[i], buffer, sizeof buffer);
      if (n > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(n));
      } else {
        ::close(*ends[i]);
        *ends[i] = -1;
      }
    }
    if (in.write >= 0 && waiting[2].revents != 0) {
      const ssize_t n =
          ::write(in.write, options.input.data() + written, options.input.size() - written);
      if (n > 0) written += static_cast<std::size_t>(n);
      if (n <= 0 || written == options.input.size()) {
        ::close(in.write);
        in.write = -1;
      }
    }
  }
  for (const int fd : {in.write, out.read, err.read})
    if (fd >= 0) ::close(fd);
  int status = 0;
  RunningGroups().Wait(pid, &status, 0);
  result.code = timed_out ? 124 : ExitCode(status);
  if (timed_out) result.err += "\n(took longer than allowed and was killed)\n";
  return result;
}

Background::Background(const std::vector<std::string>& argv, const RunOptions& options) {
  Pipe pipe;
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_ = Start(argv, options, null, pipe.write, pipe.write);
  ::close(null);
  ::close(pipe.write);
  output_ = pipe.read;
}

Background::~Background() {
  if (pid_ > 0 && code_ < 0) {
    ::kill(-pid_, SIGKILL);
    int status = 0;
    RunningGroups().Wait(pid_, &status, 0);
  }
  if (output_ >= 0) ::close(output_);
}

bool Background::Read(milliseconds patience) {
  if (output_ < 0) return false;
  pollfd waiting{output_, POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return true;
  char buffer[65536];
  const ssize_t n = ::read(output_, buffer, sizeof buffer);
  if (n > 0) {
    printed_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  ::close(output_);
  output_ = -1;
  return false;
}

std::string Background::Printed() {
  for (std::size_t before = printed_.size() + 1; before != printed_.size();) {
    before = printed_.size();
    Read(milliseconds(0));
  }
  return printed_;
}

bool Background::WaitFor(const std::string& text, std::chrono::seconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  while (printed_.find(text) == std::string::npos) {
    const int left = MillisecondsLeft(deadline);
    if (left == 0 || !Read(milliseconds(left))) break;
  }
  return printed_.find(text) != std::string::npos;
}

int Background::WaitExit(std::chrono::seconds timeout) {
  if (code_ >= 0 || pid_ < 0) return code_;
  const bool ended = Eventually(timeout, [&] {
    Read(milliseconds(0));
    int status = 0;
    if (!RunningGroups().Wait(pid_, &status, WNOHANG)) return false;
    code_ = ExitCode(status);
    return true;
  });
  return ended ? code_ : 124;
}

void Background::Signal(int signal) {
  if (pid_ > 0 && code_ < 0) ::kill(-pid_, signal);
}

void EndCommands() {
  RunningGroups().KillAll();
}

}  // namespace enclave::system_test
