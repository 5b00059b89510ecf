#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/machine.h"
#include "cli/observatory.h"

namespace enclave::cli {

// Signals are taken by this thread alone, so they are blocked before any other is made.
int RunObservatory(const ObservatoryOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  RaiseFileLimit();
  const auto observatory = Observatory::Start(options);
  if (!observatory) return Complain(observatory.error());
  fmt::print("observatory: {}\n", (*observatory)->http_url());
  if (!(*observatory)->otlp_grpc_address().empty())
    fmt::print("otlp grpc:   {}\n", (*observatory)->otlp_grpc_address());
  std::fflush(stdout);
  for (;;) {
    int signal = 0;
    ::sigwait(&signals, &signal);
    if (signal != SIGHUP) {
      base::LogInfo("observatory", "ends", {{"signal", signal}});
      return 0;
    }
    if (const auto reloaded = (*observatory)->Reload(); !reloaded)
      base::LogError("observatory", "the configuration stays as it was",
                     {{"error", reloaded.error().message()}});
  }
}

}  // namespace enclave::cli
