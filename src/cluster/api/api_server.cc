#include "cluster/api/api_server.h"

#include <fmt/format.h>

#include <cctype>
#include <utility>

#include "cluster/api/exchange.h"
#include "cluster/api/impersonation.h"
#include "cluster/api/kube_state_metrics.h"
#include "cluster/api/plain_handler.h"
#include "trace/trace_context.h"

namespace enclave::cluster {
namespace asio = boost::asio;
using base::ErrorKind;

// Passes an answer through and remembers its code.
class ApiServer::CodeRecorder final : public net::ResponseWriter {
 public:
  explicit CodeRecorder(net::ResponseWriter& inner) : inner_(inner) {}

  asio::awaitable<base::Result<>> Send(net::Response response) override {
    code_ = response.status;
    return inner_.Send(std::move(response));
  }
  asio::awaitable<base::Result<>> Begin(net::Response response) override {
    code_ = response.status;
    return inner_.Begin(std::move(response));
  }
  asio::awaitable<base::Result<>> Write(std::string_view data) override {
    return inner_.Write(data);
  }
  asio::awaitable<base::Result<>> End() override { return inner_.End(); }
  bool closed() const override { return inner_.closed(); }

  int code() const { return code_; }

 private:
  net::ResponseWriter& inner_;
  int code_ = 0;
};

namespace {

bool IsLongRunning(const RequestInfo& info) {
  return info.verb == "watch" || info.subresource == "log" || info.subresource == "exec" ||
         info.subresource == "attach" || info.subresource == "portforward";
}

// The names that kube-apiserver has for verbs in its metrics.
std::string MetricVerb(const RequestInfo& info) {
  if (info.subresource == "log" || info.subresource == "exec" || info.subresource == "proxy") {
    return "CONNECT";
  }
  if (info.verb == "create") return "POST";
  if (info.verb == "update") return "PUT";
  std::string verb = info.verb;
  for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return verb;
}

AccessRequest AccessOf(const RequestInfo& info, const std::string& path) {
  AccessRequest access{.verb = info.verb};
  if (!info.is_resource) {
    access.path = path;
    return access;
  }
  access.group = info.group;
  access.version = info.version;
  access.resource = info.resource;
  access.subresource = info.subresource;
  access.ns = info.ns;
  access.name = info.name;
  return access;
}

base::Error Forbidden(const Requester& who, const RequestInfo& info, const std::string& path,
                      const std::string& reason) {
  std::string what =
      info.is_resource
          ? fmt::format(
                "{} is forbidden: User \"{}\" cannot {} resource \"{}\" in "
                "API group \"{}\"",
                info.name.empty() ? info.GroupResource()
                                  : fmt::format("{} \"{}\"", info.GroupResource(), info.name),
                who.name, info.verb, info.resource, info.group)
          : fmt::format("forbidden: User \"{}\" cannot {} path \"{}\"", who.name, info.verb, path);
  if (info.is_resource) {
    what += info.ns.empty() ? " at the cluster scope"
                            : fmt::format(" in the namespace \"{}\"", info.ns);
  }
  if (!reason.empty()) what += ": " + reason;
  return {ErrorKind::kPermissionDenied, what};
}

// Counts a request as in flight for as long as it lives.
class InFlight {
 public:
  InFlight(ApiMetrics& metrics, bool mutating, bool stream)
      : metrics_(metrics), mutating_(mutating), stream_(stream) {
    if (stream_) {
      metrics_.StreamOpened();
    } else {
      metrics_.Started(mutating_);
    }
  }
  ~InFlight() {
    if (stream_) {
      metrics_.StreamClosed();
    } else {
      metrics_.Ended(mutating_);
    }
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  ApiMetrics& metrics_;
  const bool mutating_;
  const bool stream_;
};

// Runs when a scope is left, however it is left: a cancelled coroutine is unwound.
template <typename Function>
class AtEnd {
 public:
  explicit AtEnd(Function function) : function_(std::move(function)) {}
  ~AtEnd() { function_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  Function function_;
};

asio::awaitable<void> SendNodeProxy(const PlainHandler& plain, Exchange& exchange) {
  co_await exchange.writer.Send(plain.ServeNodeProxy(exchange.info));
}

}  // namespace

ApiServer::ApiServer(Options options, Dependencies dependencies)
    : options_(std::move(options)),
      dependencies_(dependencies),
      resources_(dependencies.machinery) {}

ApiServer::~ApiServer() = default;

base::Result<std::unique_ptr<ApiServer>> ApiServer::Start(Options options,
                                                          Dependencies dependencies) {
  std::unique_ptr<ApiServer> server(new ApiServer(std::move(options), dependencies));
  const Options& given = server->options_;
  server->plain_ = std::make_unique<PlainHandler>(
      dependencies.machinery, dependencies.metrics,
      PlainHandler::Options{.git_version = given.git_version,
                            .server_address = fmt::format("{}:{}", given.address, given.port)});
  server->Connect("nodes/proxy", [plain = server->plain_.get()](Exchange& exchange) {
    return SendNodeProxy(*plain, exchange);
  });
  server->AddMetrics("/metrics/kube-state", [&store = dependencies.machinery.store()] {
    return RenderKubeStateMetrics(store);
  });
  const net::TlsServerConfig tls{.identity = given.certificate,
                                 .client_ca_pem = given.client_ca_pem,
                                 .require_client_certificate = false};
  net::HttpServerOptions http;
  http.address = given.address;
  http.port = given.port;
  http.tls = &tls;
  http.max_connections = given.max_connections;
  http.on_bad_request = StatusResponse;
  ASSIGN_OR_RETURN(server->server_,
                   net::HttpServer::Start(dependencies.loop, std::move(http), server->handler()));
  return server;
}

void ApiServer::Connect(std::string resource, ConnectHandler handler) {
  resources_.Connect(std::move(resource), std::move(handler));
}

void ApiServer::AddMetrics(std::string path, std::function<std::string()> text) {
  plain_->AddMetrics(std::move(path), std::move(text));
}

std::uint16_t ApiServer::port() const {
  return server_->port();
}

std::size_t ApiServer::connections() const {
  return server_->connections();
}

net::Handler ApiServer::handler() {
  return [this](net::Request& request, net::ResponseWriter& writer) {
    return Handle(request, writer);
  };
}

asio::awaitable<void> ApiServer::Handle(net::Request& request, net::ResponseWriter& writer) {
  const base::Clock& clock = dependencies_.machinery.clock();
  const base::WallTime received_at = clock.WallNow();
  const base::MonoTime start = clock.Now();
  CodeRecorder recorder(writer);
  const auto trace = trace::Extract(request.headers);
  Exchange exchange{request, recorder, {}, {}, trace ? trace->trace_id.ToString() : "", ""};
  bool long_running = false;
  const AtEnd finish(
      [&] { Finish(exchange, request, received_at, start, recorder.code(), long_running); });

  auto info = ParseRequestInfo(request);
  if (info) exchange.info = *info;
  auto who = dependencies_.authenticator.Authenticate(request);
  if (!who) {
    co_await recorder.Send(ErrorResponse(who.error()));
    co_return;
  }
  exchange.who = *std::move(who);
  if (auto acts = Impersonate(dependencies_.authorizer, request, exchange.who)) {
    if (acts->name != exchange.who.name) exchange.impersonator = exchange.who.name;
    exchange.who = *std::move(acts);
  } else {
    co_await recorder.Send(ErrorResponse(acts.error()));
    co_return;
  }
  if (exchange.trace_id.empty()) exchange.trace_id = TraceOf(exchange.who);
  if (!info) {
    co_await recorder.Send(ErrorResponse(info.error()));
    co_return;
  }
  const AccessDecision decision =
      dependencies_.authorizer.Authorize(exchange.who, AccessOf(exchange.info, request.path));
  if (!decision.allowed) {
    const kube::StatusDetails details{
        .name = exchange.info.name, .group = exchange.info.group, .kind = exchange.info.resource};
    co_await recorder.Send(ErrorResponse(
        Forbidden(exchange.who, exchange.info, request.path, decision.reason), details));
    co_return;
  }
  long_running = exchange.info.is_resource && IsLongRunning(exchange.info);
  const bool mutating = exchange.info.is_resource && exchange.info.mutating();
  const std::int64_t most = mutating ? options_.max_writes : options_.max_reads;
  if (!long_running && dependencies_.metrics.inflight(mutating) >= most) {
    const base::Error busy(ErrorKind::kResourceExhausted,
                           "Too many requests, please try again later.");
    co_await recorder.Send(ErrorResponse(busy, {.retry_after_seconds = 1}));
    co_return;
  }
  const InFlight in_flight(dependencies_.metrics, mutating, long_running);
  co_await Dispatch(exchange);
}

asio::awaitable<void> ApiServer::Dispatch(Exchange& exchange) {
  if (exchange.info.is_resource) {
    co_await resources_.Serve(exchange);
  } else {
    co_await exchange.writer.Send(plain_->Serve(exchange.request));
  }
}

void ApiServer::Finish(const Exchange& exchange, const net::Request& request,
                       base::WallTime received_at, base::MonoTime start, int code,
                       bool long_running) {
  const base::Duration took = dependencies_.machinery.clock().Now() - start;
  const RequestInfo& info = exchange.info;
  // Labels come from what is served, never from what a client wrote.
  const ResourcePtr resource = info.is_resource ? dependencies_.machinery.registry().Find(
                                                      info.group, info.version, info.resource)
                                                : nullptr;
  ApiMetrics::Request metric{.verb = MetricVerb(info), .code = code};
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "OPTIONS", "POST", "PUT"};
  if (resource != nullptr) {
    metric.group = info.group;
    metric.version = info.version;
    metric.resource = info.resource;
    if (resource->FindSubresource(info.subresource) != nullptr) {
      metric.subresource = info.subresource;
    }
  } else if (std::ranges::find(kMethods, metric.verb) == std::end(kMethods)) {
    metric.verb = "other";
  }
  dependencies_.metrics.Finished(metric, took, long_running);
  if (dependencies_.audit == nullptr || !info.is_resource || !info.mutating()) return;
  if (exchange.wrote.unchanged) return;
  dependencies_.audit->Record(
      {.received_at = received_at,
       .latency = took,
       .id = dependencies_.random.Uuid(),
       .verb = info.verb,
       .resource = info.GroupResource(),
       .ns = info.ns,
       .name = info.name.empty() ? exchange.wrote.name : info.name,
       .uid = exchange.wrote.uid,
       .subresource = info.subresource,
       .who = exchange.who,
       .source = request.peer.address,
       .user_agent = std::string(request.Header("User-Agent")),
       .trace_id = exchange.trace_id,
       .impersonator = exchange.impersonator,
       .code = code,
       .dry_run = exchange.wrote.dry_run || request.Query("dryRun").value_or("") == "All"});
}

}  // namespace enclave::cluster
