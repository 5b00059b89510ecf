// What the observatory says of itself: readiness, its own metrics, a page to begin from, and the
// status calls of Prometheus' and Loki's APIs, by which Grafana tells what it talks to.
//   / /metrics /ready /-/ready /-/healthy
//   /api/v1/status/{buildinfo,runtimeinfo,flags,config,tsdb,walreplay}, /api/v1/features,
//   /loki/api/v1/status/buildinfo, /api/status/buildinfo
//
// Thread safety: any thread. Ownership: what `options` refers to outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "observatory/api/route.h"
#include "telemetry/source.h"

namespace enclave::observatory::api {

struct StatusOptions {
  std::string version;                                       // of the program
  std::string config_yaml{};                                 // as it is in effect
  std::vector<std::pair<std::string, std::string>> flags{};  // name and value
  std::string retention{};                                   // "15d"
  // An error while the program cannot do its work (the disk is full, say): /-/ready answers 503.
  std::function<base::Result<>()> ready{};
  // Each appends to the page /metrics.
  std::vector<std::function<void(std::string*)>> metrics{};
  std::function<std::uint64_t()> series{};  // now
  std::function<std::uint64_t()> chunks{};
  // Shown on the page at /: addresses where telemetry is taken in.
  std::vector<std::pair<std::string, std::string>> addresses{};
};

class StatusApi {
 public:
  StatusApi(StatusOptions options, telemetry::MetricSource& source, base::Clock& clock)
      : options_(std::move(options)), source_(source), clock_(clock), started_(clock.WallNow()) {}

  void AddRoutes(RouteTable* routes);

 private:
  net::Response Ready() const;
  net::Response Metrics() const;
  net::Response BuildInfo() const;
  net::Response RuntimeInfo() const;
  net::Response Cardinality(const Call& call) const;
  net::Response Home() const;

  const StatusOptions options_;
  telemetry::MetricSource& source_;
  base::Clock& clock_;
  const base::WallTime started_;
};

}  // namespace enclave::observatory::api
