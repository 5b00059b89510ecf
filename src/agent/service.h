// The agent as a process runs it: its loop, its state directory, its watch on the cluster, and the
// console over HTTP.
//
// In DIRECTORY: ledger.db (ledger.h), history.db (object_history.h), post-mortems/ID.md.
//
// Thread safety: any thread, but not a loop's own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/console_api.h"
#include "base/random.h"
#include "kube/client.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "otel/tracer.h"

namespace enclave::agent {

struct ServiceOptions {
  std::string state;  // the directory, made if missing
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any
  Policy policy{};
};

// All outlive the service. Diagnoser answers may be given on any thread that posts them to
// `loop()`; Objectives and Memory are called on it.
struct ServicePorts {
  kube::Client& cluster;
  Diagnoser& diagnoser;
  Objectives& objectives;
  Memory* memory = nullptr;
  otel::Tracer* tracer = nullptr;
  base::Random& random = base::SystemRandom();
};

class Service {
 public:
  // `loop` is the agent's alone, with one thread; `http_loop` serves the console. Both outlive it.
  static base::Result<std::unique_ptr<Service>> Start(net::EventLoop& loop,
                                                      net::EventLoop& http_loop,
                                                      ServiceOptions options, ServicePorts ports);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  std::uint16_t port() const;
  // Runs something on the agent and waits for it, ten seconds at most.
  base::Result<> OnAgent(std::function<base::Result<>(Agent&)> what);
  // The same without waiting.
  void TellAgent(std::function<void(Agent&)> what);
  // What changed in the cluster: for whoever freezes contexts.
  const ObjectHistory& history() const { return *history_; }

 private:
  Service(net::EventLoop& loop, ServiceOptions options, ServicePorts ports);
  base::Result<> Open();
  base::Result<> Serve(net::EventLoop& http_loop);
  boost::asio::awaitable<void> Answer(net::Request& request, net::ResponseWriter& writer);

  net::EventLoop& loop_;
  const ServiceOptions options_;
  ServicePorts ports_;
  std::unique_ptr<SqliteLedger> ledger_;
  std::unique_ptr<ObjectHistory> history_;
  std::unique_ptr<DryRun> dry_run_;
  // Made and destroyed on the loop.
  std::unique_ptr<kube::SharedInformers> informers_;
  std::unique_ptr<Objectives> objectives_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<ConsoleApi> console_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace enclave::agent
