#include "agent/service.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "agent/workload_objectives.h"
#include "base/log.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

constexpr auto kPatienceWithAgent = std::chrono::seconds(10);

// Runs `what` on the loop and waits; the promise is shared, so that a late answer finds it.
Result<> RunOn(net::EventLoop& loop, std::function<Result<>()> what,
               std::optional<std::chrono::seconds> patience) {
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto future = promise->get_future();
  loop.Post([promise, what = std::move(what)] { promise->set_value(what()); });
  if (patience && future.wait_for(*patience) != std::future_status::ready)
    return Fail(ErrorKind::kUnavailable, "the agent is busy; ask again");
  return future.get();
}

Result<> WriteReport(const std::filesystem::path& directory, const Record& record,
                     const std::string& markdown) {
  const std::filesystem::path path = directory / (record.id + ".md");
  const std::filesystem::path next = directory / (record.id + ".md.next");
  {
    std::ofstream file(next, std::ios::binary | std::ios::trunc);
    file << markdown;
    file.flush();
    if (!file)
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("writing {}: see to the state directory", next.string()));
  }
  std::error_code error;
  std::filesystem::rename(next, path, error);
  if (error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("writing {}: {}", path.string(), error.message()));
  return {};
}

}  // namespace

Service::Service(net::EventLoop& loop, ServiceOptions options, ServicePorts ports)
    : loop_(loop), options_(std::move(options)), ports_(ports) {}

Service::~Service() {
  server_.reset();  // first nobody asks any more
  (void)RunOn(
      loop_,
      [this]() -> Result<> {
        agent_.reset();
        objectives_.reset();
        informers_.reset();
        return {};
      },
      std::nullopt);
}

Result<std::unique_ptr<Service>> Service::Start(net::EventLoop& loop, net::EventLoop& http_loop,
                                                ServiceOptions options, ServicePorts ports) {
  std::unique_ptr<Service> service(new Service(loop, std::move(options), ports));
  RETURN_IF_ERROR(service->Open());
  RETURN_IF_ERROR(service->Serve(http_loop));
  return service;
}

Result<> Service::Open() {
  const std::filesystem::path state(options_.state);
  const std::filesystem::path reports = state / "post-mortems";
  std::error_code error;
  std::filesystem::create_directories(reports, error);
  if (error)
    return Fail(ErrorKind::kUnavailable, fmt::format("making {}: {}; choose another --state",
                                                     reports.string(), error.message()));
  ASSIGN_OR_RETURN(ledger_, SqliteLedger::Open((state / "ledger.db").string()));
  ASSIGN_OR_RETURN(history_, ObjectHistory::Open((state / "history.db").string(), loop_));
  dry_run_ = std::make_unique<ServerDryRun>(ports_.cluster);
  const std::vector<std::string> namespaces(options_.policy.namespaces.begin(),
                                            options_.policy.namespaces.end());
  return RunOn(
      loop_,
      [&]() -> Result<> {
        informers_ = std::make_unique<kube::SharedInformers>(ports_.cluster, loop_, ports_.random);
        history_->Watch(*informers_, namespaces);
        objectives_ =
            std::make_unique<WorkloadObjectives>(ports_.objectives, *informers_, namespaces);
        ASSIGN_OR_RETURN(
            agent_,
            Agent::Start(options_.policy,
                         {.executor = loop_,
                          .random = ports_.random,
                          .ledger = *ledger_,
                          .api = ports_.cluster,
                          .dry_run = *dry_run_,
                          .diagnoser = ports_.diagnoser,
                          .objectives = *objectives_,
                          .memory = ports_.memory,
                          .history = history_.get(),
                          .tracer = ports_.tracer,
                          .publish = [reports](const Record& record, const std::string& markdown) {
                            return WriteReport(reports, record, markdown);
                          }}));
        return {};
      },
      std::nullopt);
}

Result<> Service::OnAgent(std::function<Result<>(Agent&)> what) {
  return RunOn(
      loop_, [this, what = std::move(what)]() -> Result<> { return what(*agent_); },
      kPatienceWithAgent);
}

void Service::TellAgent(std::function<void(Agent&)> what) {
  loop_.Post([this, what = std::move(what)] { what(*agent_); });
}

Result<> Service::Serve(net::EventLoop& http_loop) {
  console_ = std::make_unique<ConsoleApi>(
      ConsoleApi::Options{.agent = *agent_,
                          .ledger = *ledger_,
                          .clock = loop_,
                          .on_agent = [this](auto what) { return OnAgent(std::move(what)); },
                          .ready = [this] { return agent_->snapshot()->ledger_writable; }});
  net::HttpServerOptions http{.address = options_.address, .port = options_.port};
  http.max_connections = 256;
  ASSIGN_OR_RETURN(
      server_, net::HttpServer::Start(http_loop, std::move(http),
                                      [this](net::Request& request, net::ResponseWriter& writer) {
                                        return Answer(request, writer);
                                      }));
  return {};
}

boost::asio::awaitable<void> Service::Answer(net::Request& request, net::ResponseWriter& writer) {
  const auto sent = co_await writer.Send(console_->Handle(request));
  if (!sent) base::LogDebug("agent", "a client went away", {{"error", sent.error().message()}});
}

std::uint16_t Service::port() const {
  return server_->port();
}

}  // namespace enclave::agent
