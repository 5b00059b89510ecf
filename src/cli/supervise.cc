#include "cli/supervise.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <ctime>

#include "base/executor.h"
#include "base/log.h"

namespace enclave::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{10'000};
constexpr std::chrono::minutes kStableRun{1};

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

int Supervise(const std::function<int()>& child) {
  const sigset_t signals = SupervisedSignals();
  sigset_t before;
  sigprocmask(SIG_BLOCK, &signals, &before);
  milliseconds delay = kFirstDelay;
  for (;;) {
    const base::MonoTime started = base::SystemClock().Now();
    const pid_t pid = ::fork();
    if (pid < 0) return 1;
    if (pid == 0) {
      sigprocmask(SIG_SETMASK, &before, nullptr);
      // Ends the process here: unwinding into the supervisor's frames is not the child's business.
      std::exit(child());
    }
    bool stopping = false;
    const int status = AwaitChild(pid, signals, &stopping);
    if (WIFEXITED(status) &&
        (stopping || WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kExitUsage))
      return WEXITSTATUS(status);
    if (stopping) return 0;
    if (base::SystemClock().Now() - started > kStableRun) delay = kFirstDelay;
    base::LogWarning("supervisor", "the cluster process died and is started again",
                     {{"signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0},
                      {"exitCode", WIFEXITED(status) ? WEXITSTATUS(status) : 0},
                      {"delayMs", delay.count()}});
    if (WaitForStop(delay)) return 0;
    delay = std::min(delay * 2, kLongestDelay);
  }
}

}  // namespace enclave::cli
