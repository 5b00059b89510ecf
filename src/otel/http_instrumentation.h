// The spans and metrics of HTTP requests, by OpenTelemetry's semantic conventions for HTTP, for
// servers and clients whose own code stays free of them.
//
// Threading: as spans. Ownership: may not outlive the Telemetry.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"
#include "net/http_client.h"
#include "otel/telemetry.h"

namespace enclave::otel {

// One request that is being answered: a server span named "METHOD ROUTE" whose parent the request's
// headers (W3C or B3) name, and one value of http.server.request.duration.
//
//   HttpServerSpan call(telemetry, request, "/product/{id}");
//   ScopedContext scope(call.context());    // around blocking code
//   ...
//   call.End(response.status);
class HttpServerSpan {
 public:
  // `route` has a bounded number of values: the pattern, not the path.
  HttpServerSpan(Telemetry& telemetry, const net::Request& request, std::string_view route);
  // A span not ended until then ends as a request that was cancelled (499).
  ~HttpServerSpan();
  HttpServerSpan(const HttpServerSpan&) = delete;
  HttpServerSpan& operator=(const HttpServerSpan&) = delete;

  Span& span() { return span_; }
  // The span as current, for a ScopedContext.
  Context context() const;
  // 500 and above is an error.
  void End(int status);

 private:
  Telemetry& telemetry_;
  std::string method_;
  std::string route_;
  Span span_;
  bool ended_ = false;
};

// One request that is being sent: a client span, and one value of http.client.request.duration.
// The constructor writes the trace headers into the request.
class HttpClientSpan {
 public:
  // `base_url` names the server in the attributes: "http://127.0.0.1:8080". `name` is the span's;
  // empty: the method alone. Parent: SpanOptions::parent, else the current span.
  HttpClientSpan(Telemetry& telemetry, std::string_view base_url, net::ClientRequest& request,
                 std::string_view name = {}, SpanOptions options = {});
  ~HttpClientSpan();
  HttpClientSpan(const HttpClientSpan&) = delete;
  HttpClientSpan& operator=(const HttpClientSpan&) = delete;

  Span& span() { return span_; }
  // 400 and above is an error, and so is no answer.
  void End(const base::Result<net::Response>& response);

 private:
  Telemetry& telemetry_;
  Attributes attributes_;
  Span span_;
  bool ended_ = false;
};

}  // namespace enclave::otel
