// The read ports of telemetry by URL: whoever answers as Prometheus, Loki and Tempo do.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "net/event_loop.h"
#include "telemetry/source.h"

namespace enclave::cli {

struct TelemetryClients {
  std::unique_ptr<telemetry::MetricSource> metrics{};
  std::unique_ptr<telemetry::LogSource> logs{};      // null: none is named
  std::unique_ptr<telemetry::TraceSource> traces{};  // null: none is named
};

// `loop` outlives the clients, and is not one whose tasks use them. kInvalidArgument for a URL that
// is none; nobody is asked yet.
base::Result<TelemetryClients> ConnectTelemetry(net::EventLoop& loop, const std::string& prometheus,
                                                const std::string& loki, const std::string& tempo);

}  // namespace enclave::cli
