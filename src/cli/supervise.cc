#include "cli/supervise.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>

#include "base/log.h"
#include "cli/output.h"

namespace enclave::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{10'000};

sigset_t SupervisedSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGCHLD);
  return set;
}

// True when told to stop while waiting.
bool WaitForStop(milliseconds delay) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  const timespec limit{.tv_sec = delay.count() / 1000, .tv_nsec = delay.count() % 1000 * 1'000'000};
  return sigtimedwait(&stop, nullptr, &limit) > 0;
}

// The wait status of `child` once it ended; `stopping` is set when a signal to stop was handed on.
int AwaitChild(pid_t child, const sigset_t& signals, bool* stopping) {
  for (;;) {
    const int signal = sigwaitinfo(&signals, nullptr);
    if (signal == SIGTERM || signal == SIGINT) {
      *stopping = true;
      ::kill(child, SIGTERM);
    }
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return status;
  }
}

}  // namespace

int Supervise(const std::function<int()>& child, const std::function<bool(pid_t)>& became_ready) {
  const sigset_t signals = SupervisedSignals();
  sigset_t before;
  sigprocmask(SIG_BLOCK, &signals, &before);
  milliseconds next_delay = kFirstDelay;
  bool ever_ready = false;
  for (;;) {
    const pid_t pid = ::fork();
    if (pid < 0) return 1;
    if (pid == 0) {
      sigprocmask(SIG_SETMASK, &before, nullptr);
      // Ends the process here: unwinding into the supervisor's frames is not the child's business.
      std::exit(child());
    }
    bool stopping = false;
    const int status = AwaitChild(pid, signals, &stopping);
    const bool ready = became_ready(pid);
    ever_ready = ever_ready || ready;
    if (WIFEXITED(status) && (stopping || WEXITSTATUS(status) == 0 ||
                              (WEXITSTATUS(status) == kExitUsage && !ever_ready)))
      return WEXITSTATUS(status);
    if (stopping) return 0;
    const milliseconds delay = ready ? milliseconds(0) : next_delay;
    next_delay = ready ? kFirstDelay : std::min(next_delay * 2, kLongestDelay);
    base::LogWarning("supervisor", "the cluster process died and is started again",
                     {{"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0},
                      {"exitCode", WIFEXITED(status) ? WEXITSTATUS(status) : 0},
                      {"delayMs", delay.count()}});
    if (WaitForStop(delay)) return 0;
  }
}

}  // namespace enclave::cli
