// enclave-boutique: one service of the shop, as the program of a container.
//
//   enclave-boutique SERVICE [--release v1|v2] [--listen IP[:PORT]]
//
// It listens on POD_IP and PORT unless told otherwise, takes the addresses of the services that it
// calls from the environment as Online Boutique does (CART_SERVICE_ADDR, ...), and ends with grace
// on SIGTERM: health checks fail at once, calls under way are answered, telemetry is sent.
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/random.h"
#include "lab/boutique/frontend.h"
#include "lab/boutique/service.h"
#include "net/event_loop.h"
#include "otel/grpc_server.h"
#include "otel/telemetry.h"

namespace {

using namespace enclave;

constexpr std::string_view kFrontend = "frontend";

struct Arguments {
  std::string service;
  std::string release = "v1";
  std::string listen;
  int threads = 4;
  int grace_s = 5;
};

// What runs until a signal says otherwise.
class Running {
 public:
  virtual ~Running() = default;
  virtual std::string Address() const = 0;
  virtual void OnSignal(int signal) = 0;
  virtual void Drain(std::chrono::milliseconds grace) = 0;
};

class RunningService final : public Running {
 public:
  static base::Result<std::unique_ptr<Running>> Start(const lab::boutique::Setup& setup,
                                                      const Arguments& arguments,
                                                      const std::string& address) {
    ASSIGN_OR_RETURN(auto service, lab::boutique::MakeService(arguments.service, setup));
    auto running = std::make_unique<RunningService>(std::move(service), setup.telemetry,
                                                    arguments.threads, address);
    RETURN_IF_ERROR(running->server_.Start());
    return running;
  }

  RunningService(std::unique_ptr<lab::boutique::Service> service, otel::Telemetry& telemetry,
                 int threads, const std::string& address)
      : service_(std::move(service)),
        host_(address.substr(0, address.rfind(':'))),
        server_(telemetry, {.address = address, .threads = threads}) {
    service_->Register(server_);
  }

  std::string Address() const override { return fmt::format("{}:{}", host_, server_.port()); }
  void OnSignal(int signal) override { service_->OnSignal(signal); }
  void Drain(std::chrono::milliseconds grace) override { server_.Stop(grace); }

 private:
  std::unique_ptr<lab::boutique::Service> service_;
  std::string host_;
  otel::GrpcServer server_;
};

class RunningFrontend final : public Running {
 public:
  static base::Result<std::unique_ptr<Running>> Start(const lab::boutique::Setup& setup,
                                                      const std::string& address) {
    ASSIGN_OR_RETURN(auto backends, lab::boutique::BackendsFromEnvironment(setup));
    const std::size_t colon = address.rfind(':');
    std::uint16_t port = 0;
    const std::string_view digits = std::string_view(address).substr(colon + 1);
    if (const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), port);
        error != std::errc() || end != digits.data() + digits.size())
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("{} is no address to listen on: give IP:PORT", address));
    auto running = std::make_unique<RunningFrontend>(address.substr(0, colon));
    ASSIGN_OR_RETURN(running->frontend_,
                     lab::boutique::Frontend::Start(running->loop_, setup.telemetry,
                                                    {.address = running->host_,
                                                     .port = port,
                                                     .backends = std::move(backends),
                                                     .start_patience = std::chrono::seconds(10)},
                                                    setup.random));
    return running;
  }

  explicit RunningFrontend(std::string host) : host_(std::move(host)) {}

  std::string Address() const override { return fmt::format("{}:{}", host_, frontend_->port()); }
  void OnSignal(int /*signal*/) override {}
  void Drain(std::chrono::milliseconds grace) override { frontend_->Drain(grace); }

 private:
  const std::string host_;
  net::EventLoop loop_{"frontend"};  // its own: telemetry is sent while pages are made
  std::unique_ptr<lab::boutique::Frontend> frontend_;
};

// "IP:PORT": of --listen, else of POD_IP and PORT, else the loopback and the service's own port.
std::string ListenAddress(const Arguments& arguments, int default_port) {
  const auto variable = [](const char* name, const std::string& fallback) {
    const auto value = otel::ProcessEnvironment(name);
    return value && !value->empty() ? *value : fallback;
  };
  const std::string port = variable("PORT", std::to_string(default_port));
  if (arguments.listen.contains(':')) return arguments.listen;
  const std::string host =
      arguments.listen.empty() ? variable("POD_IP", "127.0.0.1") : arguments.listen;
  return host + ":" + port;
}

// Twenty of these run on a laptop: few arenas, and no resolver beside the system's.
void SaveMemory() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_TRIM_THRESHOLD, 256 << 10);
  setenv("GRPC_DNS_RESOLVER", "native", 0);
}

sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&signals, signal);
  // Threads made later inherit it, so that the signals come to sigwait alone.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int Complain(const base::Error& error) {
  fmt::print(stderr, "enclave-boutique: {}\n", error.message());
  return error.kind() == base::ErrorKind::kInvalidArgument ? 2 : 1;
}

int Run(const Arguments& arguments) {
  const sigset_t signals = BlockSignals();
  SaveMemory();
  const lab::boutique::ServiceInfo* info = lab::boutique::FindService(arguments.service);
  const std::string name = info == nullptr ? arguments.service : std::string(info->telemetry);
  net::EventLoop loop("otel");
  auto telemetry = otel::Telemetry::FromEnvironment(
      loop, {.service_name = name,
             .service_version = arguments.release,
             .resource = {{"service.namespace", std::string("boutique")}}});
  if (!telemetry) return Complain(telemetry.error());
  const lab::boutique::Setup setup{.telemetry = **telemetry,
                                   .executor = loop,
                                   .random = base::SystemRandom(),
                                   .environment = otel::ProcessEnvironment,
                                   .release = arguments.release};
  const std::string address = ListenAddress(arguments, info == nullptr ? 8080 : info->port);
  auto running = arguments.service == kFrontend ? RunningFrontend::Start(setup, address)
                                                : RunningService::Start(setup, arguments, address);
  if (!running) {
    (*telemetry)
        ->logger()
        .Error("the service does not start", {{"error", running.error().message()}});
    return Complain(running.error());
  }
  (*telemetry)
      ->logger()
      .Info("the service is ready",
            {{"app.address", (*running)->Address()}, {"app.release", arguments.release}});
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == SIGTERM || signal == SIGINT) break;
    (*running)->OnSignal(signal);
  }
  (*telemetry)->logger().Info("the service ends");
  (*running)->Drain(std::chrono::seconds(arguments.grace_s));
  running->reset();
  (*telemetry)->Shutdown(std::chrono::seconds(2));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"One service of the shop that the laboratory watches."};
  Arguments arguments;
  std::vector<std::string> names = {std::string(kFrontend)};
  for (const auto& info : lab::boutique::Services()) names.emplace_back(info.name);
  app.add_option("service", arguments.service, fmt::format("{}", fmt::join(names, ", ")))
      ->required();
  app.add_option("--release", arguments.release, "v1 or, of some services, v2");
  app.add_option("--listen", arguments.listen, "IP or IP:PORT (default: $POD_IP:$PORT)");
  app.add_option("--threads", arguments.threads, "Threads that handle calls")
      ->check(CLI::Range(1, 64));
  app.add_option("--grace", arguments.grace_s, "Seconds that calls have to end after SIGTERM")
      ->check(CLI::Range(0, 600));
  app.footer("Example:\n  enclave-boutique currency --release v2 --listen 127.0.0.1:7000\n");
  CLI11_PARSE(app, argc, argv);
  return Run(arguments);
}
