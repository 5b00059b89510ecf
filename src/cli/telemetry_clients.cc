#include "cli/telemetry_clients.h"

#include "telemetry/remote/remote.h"

namespace enclave::cli {

namespace remote = telemetry::remote;

base::Result<TelemetryClients> ConnectTelemetry(net::EventLoop& loop, const std::string& prometheus,
                                                const std::string& loki, const std::string& tempo) {
  TelemetryClients clients;
  ASSIGN_OR_RETURN(clients.metrics, remote::ConnectPrometheus(loop, {.url = prometheus}));
  if (!loki.empty()) {
    ASSIGN_OR_RETURN(clients.logs, remote::ConnectLoki(loop, {.url = loki}));
  }
  if (!tempo.empty()) {
    ASSIGN_OR_RETURN(clients.traces, remote::ConnectTempo(loop, {.url = tempo}));
  }
  return clients;
}

}  // namespace enclave::cli
