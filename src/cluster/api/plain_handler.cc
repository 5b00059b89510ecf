#include "cluster/api/plain_handler.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "cluster/api/discovery.h"
#include "cluster/api/exchange.h"
#include "cluster/api/metrics_text.h"
#include "cluster/api/negotiation.h"
#include "cluster/api/openapi.h"
#include "kube/status.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::Json;

net::Response NotFound() {
  return ErrorResponse({ErrorKind::kNotFound, "the server could not find the requested resource"});
}

net::Response Found(const Json& document) {
  return document.is_null() ? NotFound() : JsonResponse(200, document);
}

void RenderStore(const StoreMetrics& store, MetricsText& text) {
  text.Family("apiserver_storage_objects", "gauge", "Number of stored objects by resource.");
  for (const auto& [resource, count] : store.objects) {
    text.Sample({{"resource", resource}}, static_cast<double>(count));
  }
  const auto one = [&text](const char* name, const char* type, const char* help, double value) {
    text.Family(name, type, help);
    text.Sample({}, value);
  };
  one("apiserver_storage_size_bytes", "gauge", "Size of the storage database file.",
      static_cast<double>(store.disk_bytes));
  one("enclave_store_changes_total", "counter", "Committed changes of objects.",
      static_cast<double>(store.changes));
  one("enclave_store_commits_total", "counter", "Transactions made durable.",
      static_cast<double>(store.commits));
  one("enclave_store_failed_commits_total", "counter", "Transactions that the disk refused.",
      static_cast<double>(store.failed_commits));
  one("enclave_store_refused_writes_total", "counter", "Writes refused for a full queue.",
      static_cast<double>(store.refused_writes));
  one("enclave_store_commit_seconds_total", "counter", "Time spent in durable commits.",
      std::chrono::duration<double>(store.commit_time).count());
  one("enclave_store_queue_length", "gauge", "Writes that wait.",
      static_cast<double>(store.queue_length));
  one("enclave_store_history_changes", "gauge", "Changes kept for watches to resume from.",
      static_cast<double>(store.history_changes));
  one("enclave_store_history_bytes", "gauge", "Estimated memory of that history.",
      static_cast<double>(store.history_bytes));
  one("enclave_store_subscriptions", "gauge", "Watches on the store.",
      static_cast<double>(store.subscriptions));
}

std::vector<std::string> PartsOf(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

PlainHandler::PlainHandler(Machinery& machinery, const ApiMetrics& metrics, Options options)
    : machinery_(machinery), metrics_(metrics), options_(std::move(options)) {
  AddMetrics("/metrics", [this] { return OwnMetrics(); });
}

void PlainHandler::AddMetrics(std::string path, std::function<std::string()> text) {
  std::lock_guard lock(mutex_);
  texts_[std::move(path)] = std::move(text);
}

std::string PlainHandler::OwnMetrics() const {
  MetricsText text;
  metrics_.Render(text);
  RenderStore(machinery_.store().metrics(), text);
  RenderProcessMetrics(text);
  return text.Take();
}

net::Response PlainHandler::Serve(const net::Request& request) const {
  const std::string& path = request.path;
  if (request.method != "GET" && request.method != "HEAD") {
    return ErrorResponse({ErrorKind::kMethodNotAllowed,
                          "the server does not allow this method on the requested resource"});
  }
  if (auto metrics = Metrics(path)) return *std::move(metrics);
  if (path == "/version" || path == "/version/") return Version();
  if (path.starts_with("/healthz") || path.starts_with("/livez") || path.starts_with("/readyz")) {
    return Health(request);
  }
  if (path.starts_with("/openapi/")) return OpenApi(request);
  return Discovery(request);
}

std::optional<net::Response> PlainHandler::Metrics(const std::string& path) const {
  std::function<std::string()> text;
  {
    std::lock_guard lock(mutex_);
    const auto found = texts_.find(path);
    if (found == texts_.end()) return std::nullopt;
    text = found->second;
  }
  net::Response response = TextResponse(200, text());
  response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

net::Response PlainHandler::ServeNodeProxy(const RequestInfo& info) const {
  const Key node{kube::kNode.GroupResource(), "", info.name};
  if (machinery_.store().Get(node) == nullptr) {
    return ErrorResponse(kube::NotFoundError(kube::kNode, info.name),
                         kube::DetailsOf(kube::kNode, info.name));
  }
  // The API server's own metrics are not the node's.
  if (!info.subpath.starts_with("metrics/") || info.subpath == "metrics/kube-state") {
    return NotFound();
  }
  auto metrics = Metrics("/" + info.subpath);
  return metrics ? *std::move(metrics) : NotFound();
}

net::Response PlainHandler::Discovery(const net::Request& request) const {
  const Registry& registry = machinery_.registry();
  const std::vector<std::string> parts = PartsOf(request.path);
  const auto negotiated = Negotiate(request.Header("Accept"));
  const bool aggregated =
      negotiated && negotiated->representation == Representation::kAggregatedDiscovery;
  const bool core = !parts.empty() && parts[0] == "api";
  if (parts.empty()) {
    return JsonResponse(200, {{"paths",
                               {"/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics",
                                "/openapi/v2", "/openapi/v3", "/readyz", "/version"}}});
  }
  if (!core && parts[0] != "apis") return NotFound();
  if (parts.size() == 1) {
    if (aggregated) {
      net::Response response =
          JsonResponse(200, AggregatedDiscovery(registry, core, negotiated->version));
      response.headers["Content-Type"] = negotiated->content_type;
      return response;
    }
    return Found(core ? CoreVersions(options_.server_address) : GroupList(registry));
  }
  if (core) return parts.size() == 2 ? Found(ResourceList(registry, "", parts[1])) : NotFound();
  if (parts.size() == 2) return Found(GroupDocument(registry, parts[1]));
  return parts.size() == 3 ? Found(ResourceList(registry, parts[1], parts[2])) : NotFound();
}

net::Response PlainHandler::Version() const {
  // "v1.33.0-enclave" -> 1, 33
  std::string_view rest = options_.git_version;
  if (rest.starts_with('v')) rest.remove_prefix(1);
  const std::size_t dot = std::min(rest.find('.'), rest.size());
  const std::string_view major = rest.substr(0, dot);
  rest.remove_prefix(std::min(dot + 1, rest.size()));
  const std::string_view minor = rest.substr(0, std::min(rest.find('.'), rest.size()));
  return JsonResponse(200, {{"major", major},
                            {"minor", minor},
                            {"gitVersion", options_.git_version},
                            {"gitCommit", ""},
                            {"gitTreeState", "clean"},
                            {"buildDate", "1970-01-01T00:00:00Z"},
                            {"goVersion", "none"},
                            {"compiler", "clang"},
                            {"platform", "linux/amd64"}});
}

net::Response PlainHandler::Health(const net::Request& request) const {
  if (request.Query("verbose")) {
    return TextResponse(200, fmt::format("[+]ping ok\n[+]store ok\n{} check passed\n",
                                         request.path.substr(1, request.path.find('/', 1) - 1)));
  }
  return TextResponse(200, "ok");
}

// Version 3 tells kubectl of 1.27 and later that the server validates fields. Older ones only go on
// with `apply` and `replace` when version 2 answers: an empty protobuf document is one with no
// definitions, so nothing is validated on the client's side.
net::Response PlainHandler::OpenApi(const net::Request& request) const {
  const Registry& registry = machinery_.registry();
  const std::vector<std::string> parts = PartsOf(request.path);
  if (parts.size() > 1 && parts[1] == "v3") {
    if (parts.size() == 2) return JsonResponse(200, OpenApiIndex(registry));
    const bool core = parts.size() == 4 && parts[2] == "api";
    if (!core && (parts.size() != 5 || parts[2] != "apis")) return NotFound();
    return Found(
        OpenApiDocument(registry, core ? "" : parts[3], parts.back(), options_.git_version));
  }
  if (request.path != "/openapi/v2") return NotFound();
  const std::string_view accept = request.Header("Accept");
  if (accept.contains("protobuf")) {
    net::Response response;
    // Not the '@' of the Accept header: Go cannot parse it in a Content-Type.
    response.headers["Content-Type"] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    return response;
  }
  return JsonResponse(200, {{"swagger", "2.0"},
                            {"info", {{"title", "Kubernetes"}, {"version", options_.git_version}}},
                            {"paths", Json::object()},
                            {"definitions", Json::object()}});
}

}  // namespace enclave::cluster
