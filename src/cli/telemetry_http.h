// What the clients of Prometheus, Loki and Tempo share: a question over HTTP, and JSON from its
// answer.
//
// Thread safety: any thread but the client's loop. Errors name the address and what it answered.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kube/object.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "telemetry/matcher.h"

namespace enclave::cli {

class TelemetryHttp {
 public:
  using Parameters = std::vector<std::pair<std::string, std::string>>;
  static base::Result<std::unique_ptr<TelemetryHttp>> Create(net::EventLoop& loop,
                                                             const std::string& url);

  // kNotFound for a 404; kUnavailable for what may work later; kInvalidArgument for a 4xx.
  base::Result<std::string> Get(const std::string& path, const Parameters& parameters,
                                const net::Headers& headers = {}) const;
  base::Result<kube::Json> GetJson(const std::string& path, const Parameters& parameters) const;
  // By POST, since selectors may be longer than what a request line may hold.
  base::Result<kube::Json> PostForm(const std::string& path, const Parameters& parameters) const;

 private:
  TelemetryHttp(std::unique_ptr<net::HttpClient> client, std::string url)
      : client_(std::move(client)), url_(std::move(url)) {}
  base::Result<std::string> Ask(net::ClientRequest request) const;

  std::unique_ptr<net::HttpClient> client_;
  std::string url_;
};

// {job="a", code=~"5.."}; with no matchers all that has a value of `otherwise`.
std::string SelectorOf(const telemetry::Matchers& matchers, const std::string& otherwise);
telemetry::Labels LabelsOf(const kube::Json& json);

}  // namespace enclave::cli
