// The telemetry of one process, set up in one call:
//
//   net::EventLoop loop("otel");
//   auto telemetry = otel::Telemetry::FromEnvironment(loop, {.service_name = "cartservice"});
//   otel::ScopedSpan span((*telemetry)->tracer(), "add item");
//   (*telemetry)->logger().Info("item added", {{"app.product.id", id}});
//
// Everything leaves by one bounded exporter (exporter.h) to OTLP/HTTP. Without an endpoint nothing
// is exported; logs still go to standard output.
//
// Thread safety: any thread. Ownership: outlives every span, instrument, server and client made
// from it; the loop outlives it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "otel/exporter.h"
#include "otel/logger.h"
#include "otel/metrics.h"
#include "otel/tracer.h"

namespace enclave::otel {

struct TelemetryOptions {
  std::string service_name;          // used when OTEL_SERVICE_NAME is not set
  std::string service_version{};     // service.version, when the environment names none
  telemetry::Attributes resource{};  // further attributes; the environment's go before
  ExporterOptions exporter{};
  Severity log_level = Severity::kInfo;
  int log_fd = 1;
  bool runtime_metrics = true;
};

// The value of an environment variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> ProcessEnvironment(const std::string& name);

// "key=value,key=value", values percent-encoded (OTEL_RESOURCE_ATTRIBUTES). Of two with one key the
// first stays. kInvalidArgument for a part that is no pair.
base::Result<telemetry::Attributes> ParseResourceAttributes(std::string_view text);

class Telemetry {
 public:
  // Reads OTEL_EXPORTER_OTLP_ENDPOINT (or COLLECTOR_SERVICE_ADDR, "host:port"; one endpoint serves
  // all signals), OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, POD_NAME, POD_NAMESPACE, POD_IP,
  // POD_UID, NODE_NAME, OTEL_BSP_SCHEDULE_DELAY, OTEL_METRIC_EXPORT_INTERVAL (both
  // ms), OTEL_LOG_LEVEL and OTEL_SDK_DISABLED. kInvalidArgument, naming the variable, for a value
  // that cannot be used.
  static base::Result<std::unique_ptr<Telemetry>> FromEnvironment(
      net::EventLoop& loop, TelemetryOptions defaults,
      const Environment& environment = ProcessEnvironment);
  // With just these options.
  static base::Result<std::unique_ptr<Telemetry>> Create(net::EventLoop& loop,
                                                         TelemetryOptions options,
                                                         base::Random& random);
  // As Shutdown with two seconds.
  ~Telemetry();

  Tracer& tracer() { return *tracer_; }
  Meter& meter() { return *meter_; }
  Logger& logger() { return *logger_; }
  const base::Clock& clock() const { return loop_; }
  const telemetry::Attributes& resource() const { return resource_; }
  const std::string& service_name() const { return service_name_; }
  // What the exporter did so far.
  ExporterCounts exported() const;

  // Sends what is queued, metrics included; true when all of it was accepted in time. Blocks; not
  // on the loop.
  bool Flush(std::chrono::milliseconds timeout);
  // Flush, then nothing is accepted any more. Idempotent.
  bool Shutdown(std::chrono::milliseconds timeout);

 private:
  explicit Telemetry(net::EventLoop& loop) : loop_(loop) {}
  void ObserveExporter();
  net::EventLoop& loop_;
  std::string service_name_;
  telemetry::Attributes resource_;
  std::unique_ptr<Meter> meter_;
  std::unique_ptr<Exporter> exporter_;  // null without an endpoint
  std::unique_ptr<Tracer> tracer_;
  std::unique_ptr<Logger> logger_;
  bool shut_down_ = false;
};

}  // namespace enclave::otel
