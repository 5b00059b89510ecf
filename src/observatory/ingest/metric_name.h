// OpenTelemetry's names as Prometheus' (OpenTelemetry specification, compatibility/
// prometheus_and_openmetrics: metric names, units, attributes).
//
// Functions without state; any thread.
#pragma once

#include <string>
#include <string_view>

namespace enclave::observatory::ingest {

enum class NameKind {
  kCounter,  // a monotonic sum: ends in _total
  kGauge,    // of the unit "1": ends in _ratio
  kOther,
};

// ("http.server.request.duration", "s", kOther) -> "http_server_request_duration_seconds".
// "" when the name has no letter or digit that can stand in a metric's name.
std::string MetricName(std::string_view name, std::string_view unit, NameKind kind);
// UCUM as words: "By/s" -> "bytes_per_second", "{request}" and "1" -> "".
std::string UnitName(std::string_view unit);
// "k8s.pod.name" -> "k8s_pod_name", "2xx" -> "key_2xx". Runs of other characters become one
// underscore, so that no attribute can name a reserved label (__name__). "" for no name at all.
std::string LabelName(std::string_view key);

}  // namespace enclave::observatory::ingest
