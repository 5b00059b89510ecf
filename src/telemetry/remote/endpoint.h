// Where a Prometheus, a Loki or a Tempo is, and how it is asked: what the clients of this folder
// share.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "net/http.h"
#include "net/tls.h"

namespace enclave::telemetry::remote {

struct Endpoint {
  std::string url{};       // "http://10.0.0.1:9090", "https://prometheus.example/prefix"
  net::Headers headers{};  // of every request, as {"X-Scope-OrgID", "team"}
  // Sent as `Authorization: Bearer`; only over TLS or to this machine.
  std::string bearer_token{};
  net::TlsClientConfig tls{};
  std::chrono::milliseconds timeout{15'000};               // of one request
  std::size_t max_answer_bytes = std::size_t{256} << 20U;  // of one answer
  int retries = 2;  // of a request that met 429, a 5xx or no answer
};

}  // namespace enclave::telemetry::remote
