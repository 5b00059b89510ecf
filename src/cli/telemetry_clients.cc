#include "cli/telemetry_clients.h"

#include "cli/loki_client.h"
#include "cli/prometheus_client.h"
#include "cli/tempo_client.h"

namespace enclave::cli {

base::Result<TelemetryClients> ConnectTelemetry(net::EventLoop& loop, const std::string& prometheus,
                                                const std::string& loki, const std::string& tempo) {
  TelemetryClients clients;
  ASSIGN_OR_RETURN(clients.metrics, PrometheusClient::Create(loop, prometheus));
  if (!loki.empty()) ASSIGN_OR_RETURN(clients.logs, LokiClient::Create(loop, loki));
  if (!tempo.empty()) ASSIGN_OR_RETURN(clients.traces, TempoClient::Create(loop, tempo));
  return clients;
}

}  // namespace enclave::cli
