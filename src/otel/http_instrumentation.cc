#include "otel/http_instrumentation.h"

#include <chrono>
#include <utility>

#include "net/url.h"

namespace enclave::otel {
namespace {

constexpr int kClientClosed = 499;

double Seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Methods come from outside; metrics take a bounded number of them.
std::string KnownMethod(std::string_view method) {
  for (const std::string_view known :
       {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"})
    if (method == known) return std::string(method);
  return "_OTHER";
}

SpanOptions ServerOptions(const net::Request& request, std::string_view method,
                          std::string_view route) {
  SpanOptions options{.kind = SpanKind::kServer, .parent = trace::Extract(request.headers)};
  options.new_trace = !options.parent;
  options.attributes = {{"http.request.method", std::string(method)},
                        {"http.route", std::string(route)},
                        {"url.path", request.path},
                        {"url.scheme", "http"},
                        {"network.protocol.version", "1.1"}};
  const auto add = [&](const char* key, std::string_view value) {
    if (!value.empty()) options.attributes.push_back({key, std::string(value)});
  };
  add("user_agent.original", request.Header("User-Agent"));
  add("client.address",
      std::string_view(request.peer.address).substr(0, request.peer.address.rfind(':')));
  add("server.address", request.Header("Host"));
  return options;
}

}  // namespace

HttpServerSpan::HttpServerSpan(Telemetry& telemetry, const net::Request& request,
                               std::string_view route)
    : telemetry_(telemetry),
      method_(KnownMethod(request.method)),
      route_(route),
      span_(telemetry.tracer().StartSpan(method_ + " " + route_,
                                         ServerOptions(request, method_, route_))) {}

HttpServerSpan::~HttpServerSpan() {
  if (!ended_) End(kClientClosed);
}

Context HttpServerSpan::context() const {
  return {.span = *span_.context(), .deadline = Current().deadline};
}

void HttpServerSpan::End(int status) {
  if (std::exchange(ended_, true)) return;
  Attributes attributes = {{"http.request.method", method_},
                           {"http.route", route_},
                           {"http.response.status_code", std::int64_t{status}}};
  span_.SetAttribute("http.response.status_code", std::int64_t{status});
  if (status >= 500) {
    span_.SetAttribute("error.type", std::to_string(status));
    // An exception that was recorded has said more already.
    if (!span_.failed()) span_.SetStatus(SpanStatus::kError, "HTTP " + std::to_string(status));
    attributes.push_back({"error.type", std::to_string(status)});
  }
  telemetry_.meter()
      .DurationHistogram("http.server.request.duration", "Time to answer a request")
      .Record(Seconds(span_.Elapsed()), attributes, span_.context());
  span_.End();
}

HttpClientSpan::HttpClientSpan(Telemetry& telemetry, std::string_view base_url,
                               net::ClientRequest& request, std::string_view name,
                               SpanOptions options)
    : telemetry_(telemetry) {
  const std::string method = KnownMethod(request.method);
  attributes_ = {{"http.request.method", method}};
  if (const auto origin = net::ParseOrigin(base_url)) {
    attributes_.push_back({"server.address", origin->host});
    attributes_.push_back({"server.port", std::int64_t{origin->port}});
  }
  options.kind = SpanKind::kClient;
  options.attributes.insert(options.attributes.end(), attributes_.begin(), attributes_.end());
  options.attributes.push_back({"url.full", std::string(base_url) + request.target});
  span_ = telemetry.tracer().StartSpan(name.empty() ? std::string_view(method) : name,
                                       std::move(options));
  trace::Inject(ToTraceContext(*span_.context()), request.headers);
}

HttpClientSpan::~HttpClientSpan() {
  if (!ended_)
    End(base::Fail(base::ErrorKind::kCancelled, "the request was given up before its answer"));
}

void HttpClientSpan::End(const base::Result<net::Response>& response) {
  if (std::exchange(ended_, true)) return;
  if (!response) {
    span_.RecordError(response.error());
    attributes_.push_back({"error.type", std::string(base::ToString(response.error().kind()))});
  } else {
    span_.SetAttribute("http.response.status_code", std::int64_t{response->status});
    attributes_.push_back({"http.response.status_code", std::int64_t{response->status}});
    if (response->status >= 400) {
      const std::string code = std::to_string(response->status);
      span_.SetAttribute("error.type", code);
      span_.SetStatus(SpanStatus::kError, "HTTP " + code);
      attributes_.push_back({"error.type", code});
    }
  }
  telemetry_.meter()
      .DurationHistogram("http.client.request.duration", "Time until a request was answered")
      .Record(Seconds(span_.Elapsed()), attributes_, span_.context());
  span_.End();
}

}  // namespace enclave::otel
