#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "cli/commands.h"
#include "lab/load/load_generator.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "otel/telemetry.h"

namespace enclave::cli {
namespace {

using lab::load::LoadGenerator;

constexpr std::chrono::milliseconds kProbeEvery{300};
constexpr std::size_t kMostFailuresShown = 3;  // per line

// The first SIGINT or SIGTERM asks for an end; the second one has its usual effect.
class StopSignals {
 public:
  explicit StopSignals(net::EventLoop& loop) : signals_(loop.context(), SIGINT, SIGTERM) {
    signals_.async_wait([this](boost::system::error_code error, int) {
      if (error) return;
      signals_.clear();
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      changed_.notify_all();
      if (generator_ != nullptr) generator_->Stop();
    });
  }

  // Stops it when it is time; null to let go of it.
  void Attach(LoadGenerator* generator) {
    const std::lock_guard lock(mutex_);
    generator_ = generator;
    if (stopped_ && generator_ != nullptr) generator_->Stop();
  }
  // True when stopped; waits for it no longer than `at_most`.
  bool Wait(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, at_most, [&] { return stopped_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  LoadGenerator* generator_ = nullptr;
  boost::asio::signal_set signals_;
};

// Until the shop says that it is well; kUnavailable when it does not in time.
base::Result<> WaitForTarget(net::EventLoop& loop, StopSignals& stop,
                             const LoadCommandOptions& options) {
  ASSIGN_OR_RETURN(const auto http, net::HttpClient::Create(loop, {.base_url = options.target}));
  const base::MonoTime until = loop.Now() + options.wait_for_target;
  while (true) {
    net::ClientRequest probe;
    probe.target = "/_healthz";
    probe.timeout = std::chrono::seconds(2);
    const auto answer = http->SendAndWait(std::move(probe));
    if (answer && answer->status == 200) return {};
    if (loop.Now() >= until)
      return base::Fail(base::ErrorKind::kUnavailable,
                        fmt::format("the shop at {} is not there: {}", options.target,
                                    answer ? fmt::format("it answered {}", answer->status)
                                           : answer.error().message()));
    if (stop.Wait(kProbeEvery)) return {};
  }
}

double SecondsOf(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void PrintInterval(const LoadGenerator::Snapshot& snapshot) {
  fmt::print("{:>7.1f} s  {}\n", SecondsOf(snapshot.elapsed),
             snapshot.interval.Line(snapshot.interval_elapsed, snapshot.users));
  std::size_t shown = 0;
  for (const auto& failure : snapshot.interval.failures()) {
    if (++shown > kMostFailuresShown) break;
    fmt::print("           {}: {}  {}\n", Red(lab::load::NameOf(failure.action)), failure.why,
               Dim("trace " + failure.trace_id));
  }
  // A log is read while it grows.
  std::fflush(stdout);
}

}  // namespace

int Load(const LoadCommandOptions& options) {
  net::EventLoop loop("load");
  auto telemetry =
      otel::Telemetry::FromEnvironment(loop, {.service_name = "loadgenerator", .log_fd = -1});
  if (!telemetry) return Complain(telemetry.error(), options.output);
  StopSignals stop(loop);
  if (options.wait_for_target.count() > 0)
    if (const auto there = WaitForTarget(loop, stop, options); !there)
      return Complain(there.error(), options.output);

  auto generator = LoadGenerator::Start(loop, **telemetry,
                                        {.target = options.target,
                                         .users = options.users,
                                         .spawn_rate = options.spawn_rate,
                                         .rate = options.rate,
                                         .duration = options.duration,
                                         .actions = options.actions,
                                         .seed = options.seed,
                                         .request_timeout = options.timeout});
  if (!generator) return Complain(generator.error(), options.output);
  stop.Attach(generator->get());
  while (!(*generator)->WaitUntilDone(options.every))
    if (options.output == OutputFormat::kText) PrintInterval((*generator)->Take());
  stop.Attach(nullptr);

  const LoadGenerator::Snapshot end = (*generator)->Take();
  if (options.output == OutputFormat::kJson)
    PrintJson(end.total.ToJson(end.elapsed));
  else
    fmt::print("\n{}", end.total.Table(end.elapsed));
  return end.total.All().errors == 0 ? 0 : 1;
}

}  // namespace enclave::cli
