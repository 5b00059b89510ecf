#include "cli/observatory.h"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/quote.h"
#include "cli/observatory_metrics.h"
#include "kube/kubeconfig.h"
#include "net/event_loop.h"
#include "observatory/api/evidence.h"
#include "observatory/api/front.h"
#include "observatory/api/loki_api.h"
#include "observatory/api/parameters.h"
#include "observatory/api/prometheus_api.h"
#include "observatory/api/reply.h"
#include "observatory/api/status_api.h"
#include "observatory/api/tempo_api.h"
#include "observatory/ingest/otlp_grpc_server.h"
#include "observatory/ingest/receiver.h"
#include "observatory/logql/engine.h"
#include "observatory/promql/engine.h"
#include "observatory/rules/promql_rule_engine.h"
#include "observatory/rules/service.h"
#include "observatory/scrape/service.h"
#include "observatory/store/store.h"

namespace enclave::cli {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Quote;
using base::Result;
namespace api = observatory::api;
namespace ingest = observatory::ingest;
namespace promql = observatory::promql;
namespace logql = observatory::logql;
namespace rules = observatory::rules;
namespace scrape = observatory::scrape;
namespace store = observatory::store;

// OTLP recommends that bodies of 64 MiB are taken.
constexpr std::size_t kMaxBodyBytes = 64 << 20;

Result<std::chrono::milliseconds> ParseOptionDuration(const char* option, const std::string& text) {
  const auto ms = api::ParseDurationMs(text);
  if (!ms)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{} {}: write it as 15d, 12h or 30m", option, Quote(text)));
  return std::chrono::milliseconds(*ms);
}

Result<std::optional<kube::ClientConfig>> FindCluster(const std::string& kubeconfig) {
  if (kubeconfig.empty()) return std::nullopt;
  if (kubeconfig == "in-cluster") {
    ASSIGN_OR_RETURN(kube::ClientConfig config, kube::InClusterConfig());
    return config;
  }
  ASSIGN_OR_RETURN(const kube::Kubeconfig file, kube::Kubeconfig::Load({kubeconfig}));
  ASSIGN_OR_RETURN(kube::ClientConfig config, file.Resolve());
  return config;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class RunningObservatory final : public Observatory {
 public:
  explicit RunningObservatory(const ObservatoryOptions& options)
      : options_(options), loop_("obs-net", 2) {}

  Result<> Open();
  std::string http_url() const override {
    const std::string host = http_.host == "0.0.0.0" ? "127.0.0.1" : http_.host;
    return fmt::format("http://{}:{}", host.contains(':') ? "[" + host + "]" : host,
                       front_->port());
  }
  std::string otlp_grpc_address() const override {
    if (!grpc_) return "";
    return fmt::format("{}:{}", grpc_host_, grpc_->port());
  }
  Result<> Reload() override;

 private:
  Result<> OpenStore();
  Result<> StartScraping();
  Result<> StartRules();
  Result<> StartServing();
  void AddIngestRoutes(api::RouteTable* routes);
  void AddManagementRoutes(api::RouteTable* routes);
  net::Response ShowRules(const api::Call& call);
  api::StatusOptions Status();

  const ObservatoryOptions options_;
  ListenAddress http_;
  std::string grpc_host_;
  std::chrono::milliseconds retention_{};
  base::Clock& clock_ = base::SystemClock();

  // In the order in which they are made; destroyed the other way round: first nothing more comes
  // in, then what asks and writes ends, and the store is closed last.
  net::EventLoop loop_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<promql::Engine> engine_;
  std::unique_ptr<logql::Engine> log_engine_;
  std::unique_ptr<ingest::Receiver> receiver_;
  std::unique_ptr<scrape::Service> scrape_;
  std::unique_ptr<rules::PromqlRuleEngine> rule_engine_;
  std::unique_ptr<rules::Service> rules_;
  api::RequestMetrics request_metrics_;
  std::unique_ptr<api::PrometheusApi> prometheus_;
  std::unique_ptr<api::LokiApi> loki_;
  std::unique_ptr<api::TempoApi> tempo_;
  std::unique_ptr<api::EvidenceApi> evidence_;
  std::unique_ptr<api::StatusApi> status_;
  std::atomic<const api::Front*> serving_ = nullptr;  // front_, once it is there
  std::unique_ptr<api::Front> front_;
  std::unique_ptr<ingest::OtlpGrpcServer> grpc_;
};

Result<> RunningObservatory::Open() {
  ASSIGN_OR_RETURN(http_, ParseListenAddress(options_.http));
  RETURN_IF_ERROR(OpenStore());
  RETURN_IF_ERROR(StartScraping());
  RETURN_IF_ERROR(StartRules());
  return StartServing();
}

// Both read their part of the file; neither takes a file that the other refuses for long, as the
// error is told and the file is mended.
Result<> RunningObservatory::Reload() {
  RETURN_IF_ERROR(scrape_->Reload());
  return rules_->Reload();
}

Result<> RunningObservatory::OpenStore() {
  ASSIGN_OR_RETURN(retention_, ParseOptionDuration("--retention", options_.retention));
  ASSIGN_OR_RETURN(const auto timeout,
                   ParseOptionDuration("--query-timeout", options_.query_timeout));
  store::StoreOptions options{.directory = options_.state};
  options.retention = {.age = retention_, .bytes = options_.retention_bytes};
  ASSIGN_OR_RETURN(store_, store::Store::Open(std::move(options), clock_));
  promql::EngineOptions engine;
  engine.timeout = timeout;
  engine_ = std::make_unique<promql::Engine>(store_->metrics(), engine, clock_);
  log_engine_ = std::make_unique<logql::Engine>(store_->logs());
  receiver_ = std::make_unique<ingest::Receiver>(
      store_->sink(), ingest::ReceiverOptions{.max_body_bytes = kMaxBodyBytes}, clock_);
  return {};
}

Result<> RunningObservatory::StartScraping() {
  ASSIGN_OR_RETURN(auto cluster, FindCluster(options_.kubeconfig));
  scrape::ServiceOptions options{.config_file = options_.config};
  options.collect_logs = cluster.has_value();
  options.cluster = std::move(cluster);
  ASSIGN_OR_RETURN(scrape_,
                   scrape::Service::Start(std::move(options), store_->sink(), &store_->logs()));
  return {};
}

Result<> RunningObservatory::StartRules() {
  rule_engine_ = std::make_unique<rules::PromqlRuleEngine>(*engine_);
  rules::ServiceOptions options{.config_file = options_.config};
  options.external_url = fmt::format("http://{}", options_.http);
  ASSIGN_OR_RETURN(rules_, rules::Service::Start(std::move(options), *rule_engine_, store_->sink(),
                                                 &store_->metrics()));
  return {};
}

void RunningObservatory::AddIngestRoutes(api::RouteTable* routes) {
  using Signal = ingest::OtlpSignal;
  for (const auto& [path, signal] :
       {std::pair{"/v1/traces", Signal::kTraces}, std::pair{"/v1/metrics", Signal::kMetrics},
        std::pair{"/v1/logs", Signal::kLogs}, std::pair{"/otlp/v1/traces", Signal::kTraces},
        std::pair{"/otlp/v1/logs", Signal::kLogs},
        std::pair{"/api/v1/otlp/v1/metrics", Signal::kMetrics}})
    routes->Post(
        path,
        [this, signal](const api::Call& call) {
          return receiver_->HandleOtlp(signal, call.request);
        },
        api::Lane::kIngest);
  routes->Post(
      "/api/v1/write",
      [this](const api::Call& call) { return receiver_->HandleRemoteWrite(call.request); },
      api::Lane::kIngest);
  routes->Post(
      "/loki/api/v1/push",
      [this](const api::Call& call) { return receiver_->HandleLokiPush(call.request); },
      api::Lane::kIngest);
}

void RunningObservatory::AddManagementRoutes(api::RouteTable* routes) {
  routes->Get("/api/v1/targets", [this](const api::Call&) {
    api::SuccessReply reply;
    reply.json().Raw(scrape_->RenderTargets());
    return reply.Done();
  });
  routes->Get("/api/v1/rules", [this](const api::Call& call) { return ShowRules(call); });
  routes->Get("/api/v1/alerts", [this](const api::Call&) {
    api::SuccessReply reply;
    reply.json().Raw(rules::RenderAlerts(rules_->Status()));
    return reply.Done();
  });
  routes->Get("/api/v1/alertmanagers", [](const api::Call&) {
    api::SuccessReply reply;
    reply.json().Raw(R"({"activeAlertmanagers":[],"droppedAlertmanagers":[]})");
    return reply.Done();
  });
  routes->Post(
      "/-/reload",
      [this](const api::Call&) {
        const auto reloaded = Reload();
        return reloaded ? api::PlainText(200, "reloaded\n")
                        : api::PlainText(500, reloaded.error().message() + "\n");
      },
      api::Lane::kQuery);
}

net::Response RunningObservatory::ShowRules(const api::Call& call) {
  const api::Parameters parameters = api::Parameters::Of(call.request);
  rules::RulesFilter filter;
  filter.type = parameters.Get("type");
  if (!filter.type.empty() && filter.type != "alert" && filter.type != "record")
    return api::InvalidParameter(
        "type",
        {ErrorKind::kInvalidArgument, fmt::format("not supported value {}", Quote(filter.type))});
  filter.rule_names = parameters.All("rule_name[]");
  filter.rule_groups = parameters.All("rule_group[]");
  filter.files = parameters.All("file[]");
  filter.exclude_alerts = parameters.Get("exclude_alerts") == "true";
  api::SuccessReply reply;
  reply.json().Raw(rules::RenderRules(rules_->Status(), filter));
  return reply.Done();
}

api::StatusOptions RunningObservatory::Status() {
  api::StatusOptions status;
  status.version = options_.version;
  status.config_yaml =
      options_.config.empty() ? scrape::DefaultScrapeConfig() : ReadText(options_.config);
  status.flags = {{"storage.tsdb.path", options_.state},
                  {"storage.tsdb.retention.time", options_.retention},
                  {"storage.tsdb.retention.size", std::to_string(options_.retention_bytes)},
                  {"web.listen-address", options_.http},
                  {"config.file", options_.config},
                  {"query.timeout", options_.query_timeout},
                  {"web.enable-remote-write-receiver", "true"}};
  status.retention = options_.retention;
  status.ready = [this]() -> Result<> {
    if (store_->stats().writable) return {};
    return Fail(ErrorKind::kUnavailable,
                "the disk is full or failed: what is there can be read, nothing is written; free "
                "some space");
  };
  status.metrics = {
      [this](std::string* page) { AppendStoreMetrics(page, store_->stats()); },
      [this](std::string* page) { AppendIngestMetrics(page, *receiver_); },
      [this](std::string* page) { request_metrics_.Append(page); },
      [this](std::string* page) {
        if (const api::Front* front = serving_.load()) front->AppendMetrics(page);
      },
  };
  status.series = [this] { return store_->stats().series; };
  status.chunks = [this] { return store_->stats().chunks; };
  status.addresses = {
      {"OTLP over HTTP", "/v1/traces, /v1/metrics, /v1/logs"},
      {"OTLP over gRPC", options_.otlp_grpc.empty() ? "not served" : options_.otlp_grpc},
      {"Prometheus remote write", "/api/v1/write"},
      {"Loki push", "/loki/api/v1/push"}};
  return status;
}

Result<> RunningObservatory::StartServing() {
  api::RouteTable routes;
  prometheus_ = std::make_unique<api::PrometheusApi>(*engine_, store_->metrics(), clock_);
  prometheus_->AddRoutes(&routes);
  loki_ = std::make_unique<api::LokiApi>(*log_engine_, store_->logs(), clock_);
  loki_->AddRoutes(&routes);
  tempo_ = std::make_unique<api::TempoApi>(store_->traces(), clock_);
  tempo_->AddRoutes(&routes);
  evidence_ = std::make_unique<api::EvidenceApi>(store_->metrics(), store_->logs(),
                                                 store_->traces(), clock_);
  evidence_->AddRoutes(&routes);
  AddIngestRoutes(&routes);
  AddManagementRoutes(&routes);
  status_ = std::make_unique<api::StatusApi>(Status(), store_->metrics(), clock_);
  status_->AddRoutes(&routes);

  // What listens first is not what clients wait for: once HTTP answers, all of it is there.
  if (!options_.otlp_grpc.empty()) {
    ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options_.otlp_grpc));
    grpc_host_ = address.host.contains(':') ? "[" + address.host + "]" : address.host;
    ASSIGN_OR_RETURN(grpc_,
                     ingest::OtlpGrpcServer::Start(
                         *receiver_, {.address = fmt::format("{}:{}", grpc_host_, address.port)}));
  }
  api::FrontOptions front;
  front.http.address = http_.host;
  front.http.port = http_.port;
  front.http.max_body_bytes = kMaxBodyBytes;
  front.http.on_bad_request = [](int status, const std::string& message) {
    return api::PlainText(status, message + "\n");
  };
  // The engine gives up first, and says so as Prometheus does.
  front.query.deadline = engine_->options().timeout + std::chrono::seconds(5);
  ASSIGN_OR_RETURN(front_, api::Front::Start(loop_, clock_, std::move(front), std::move(routes),
                                             request_metrics_));
  serving_ = front_.get();
  return {};
}

}  // namespace

Result<ListenAddress> ParseListenAddress(const std::string& text) {
  const auto bad = [&] {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{} is no address to listen on: write it as 127.0.0.1:9090, :9090 or "
                            "[::1]:9090",
                            Quote(text)));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad();
  ListenAddress address;
  address.host = text.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']'))
    address.host = address.host.substr(1, address.host.size() - 2);
  else if (address.host.contains(':'))
    return bad();
  if (address.host.empty()) address.host = "0.0.0.0";
  if (address.host == "localhost") address.host = "127.0.0.1";
  const char* first = text.data() + colon + 1;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(first, last, address.port);
  if (error != std::errc() || end != last || first == last) return bad();
  return address;
}

Result<std::unique_ptr<Observatory>> Observatory::Start(const ObservatoryOptions& options) {
  auto observatory = std::make_unique<RunningObservatory>(options);
  RETURN_IF_ERROR(observatory->Open());
  base::LogInfo("observatory", "serves",
                {{"http", observatory->http_url()},
                 {"otlp_grpc", observatory->otlp_grpc_address()},
                 {"state", options.state}});
  return observatory;
}

}  // namespace enclave::cli
