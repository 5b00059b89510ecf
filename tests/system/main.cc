// The system tests: `--slow` runs the long versions as well, `--kills N --seed N` those that kill
// as often, at the moments of that seed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "system/acceptance_rows.h"
#include "system/enclave_fixture.h"
#include "system/slow.h"

namespace enclave::system_test {
namespace {

// Names what the acceptance table covers on this machine, and what it cannot.
void NameKubectls() {
  std::string found;
  for (const KubectlProgram& program : FindKubectls()) found += " " + program.name();
  fmt::print("enclave tests: kubectl{} found\n", found.empty() ? " not" : found);
  std::string skipped;
  for (const int minor : {20, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36}) {
    bool there = false;
    for (const KubectlProgram& program : FindKubectls()) there = there || program.minor == minor;
    if (!there) skipped += fmt::format(" 1.{}", minor);
  }
  if (!skipped.empty())
    fmt::print("enclave tests: kubectl{} not to be had here, skipped\n", skipped);
  std::fflush(stdout);
}

// A test run that is interrupted leaves nothing behind. The signals are taken by a thread, which
// may do what a handler may not; programs that are started get none of this.
class Interruption {
 public:
  Interruption() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, kNoMore}) sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this] { Wait(); });
  }
  ~Interruption() {
    ::pthread_kill(thread_.native_handle(), kNoMore);
    thread_.join();
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

 private:
  static constexpr int kNoMore = SIGUSR2;

  void Wait() {
    int signal = 0;
    ::sigwait(&signals_, &signal);
    if (signal == kNoMore) return;
    EndEverything();
    ::_exit(128 + signal);
  }

  sigset_t signals_{};
  std::thread thread_;
};

}  // namespace
}  // namespace enclave::system_test

int main(int argc, char** argv) {
  using namespace enclave::system_test;
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view word(argv[i]);
    if (word == "--slow") SetSlow();
    if ((word == "--kills" || word == "--seed") && i + 1 < argc)
      SetNumber(std::string(word), std::strtoul(argv[i + 1], nullptr, 10));
  }
  std::signal(SIGPIPE, SIG_IGN);
  const Interruption interruption;
  // Ten thousand connections at once want as many descriptors.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  NameKubectls();
  RegisterAcceptanceTable();
  return RUN_ALL_TESTS();
}
