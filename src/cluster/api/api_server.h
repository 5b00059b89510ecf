// The API server: HTTPS in front of the machinery. In order, for each request: who is it
// (Authenticator), what is it about (RequestInfo), may they (Authorizer), is there room (bounds on
// requests in flight), then a handler; afterwards the audit log and the metrics.
//
// Nothing is served without credentials, health included.
//
// Thread safety: requests of different connections are served concurrently on the loop's threads;
// Connect and AddMetrics may be called from any thread. Everything handed in outlives the server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "cluster/api/api_metrics.h"
#include "cluster/api/audit_log.h"
#include "cluster/api/authenticator.h"
#include "cluster/api/authorizer.h"
#include "cluster/api/machinery.h"
#include "cluster/api/resource_handler.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "net/tls.h"

namespace enclave::cluster {

class PlainHandler;

class ApiServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 6443;  // 0: the system chooses
    net::KeyPair certificate;   // Pki::server
    std::string client_ca_pem;  // Pki::authority.certificate_pem
    std::string git_version = "v1.33.0-enclave";
    // Requests beyond these in flight are answered with 429. Streams do not count.
    std::int64_t max_reads = 400;
    std::int64_t max_writes = 400;
    std::size_t max_connections = 12'000;
  };
  struct Dependencies {
    net::EventLoop& loop;
    Machinery& machinery;
    const Authenticator& authenticator;
    const Authorizer& authorizer;
    ApiMetrics& metrics;
    base::Random& random;       // for request ids; thread-safe
    AuditLog* audit = nullptr;  // null: none
  };

  // Listens when it returns. kUnavailable when the address cannot be bound.
  static base::Result<std::unique_ptr<ApiServer>> Start(Options options, Dependencies dependencies);
  // Ends all streams and waits for the requests in flight. Not on the loop's threads.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // The handler of a connect subresource: Connect("pods/log", ServeLogs(logs)).
  void Connect(std::string resource, ConnectHandler handler);
  // Further metrics under a path of their own: AddMetrics("/metrics/cadvisor", ...).
  void AddMetrics(std::string path, std::function<std::string()> text);

  std::uint16_t port() const;
  std::size_t connections() const;
  // What serves a request after the wire; for tests and fuzzers.
  net::Handler handler();

 private:
  ApiServer(Options options, Dependencies dependencies);
  class CodeRecorder;
  boost::asio::awaitable<void> Handle(net::Request& request, net::ResponseWriter& writer);
  boost::asio::awaitable<void> Dispatch(Exchange& exchange);
  void Finish(const Exchange& exchange, const net::Request& request, base::WallTime received_at,
              base::MonoTime start, int code, bool long_running);

  const Options options_;
  const Dependencies dependencies_;
  std::unique_ptr<PlainHandler> plain_;
  ResourceHandler resources_;
  std::unique_ptr<net::HttpServer> server_;  // last: destroyed first
};

}  // namespace enclave::cluster
