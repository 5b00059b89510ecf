// The parameters of a request: those of its URL and, for POST with a form, those of its body.
//
// Values; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace enclave::observatory::api {

class Parameters {
 public:
  // A form in the body goes before the URL, as in Go's FormValue.
  static Parameters Of(const net::Request& request);

  // The first value, "" when there is none: these APIs do not tell the two apart.
  std::string Get(std::string_view name) const;
  bool Has(std::string_view name) const { return !Get(name).empty(); }
  std::vector<std::string> All(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// Prometheus: Unix seconds with a fraction, or RFC 3339; the message is Prometheus' own form
// ("cannot parse \"x\" to a valid timestamp"). The result is in milliseconds.
base::Result<std::int64_t> ParsePrometheusTime(std::string_view text);
// Seconds with a fraction, or 1h30m, in milliseconds.
base::Result<std::int64_t> ParsePrometheusDuration(std::string_view text);
// 1w2d3h4m5s6ms, largest unit first; nullopt for anything else.
std::optional<std::int64_t> ParseDurationMs(std::string_view text);

// Loki: Unix nanoseconds (an integer of more than ten digits), Unix seconds with or without a
// fraction, or RFC 3339. In nanoseconds.
base::Result<std::int64_t> ParseLokiTime(std::string_view text);
// Go's durations (1.5h, 300ms, 10us) with d, w and y, or seconds. In nanoseconds.
base::Result<std::int64_t> ParseGoDuration(std::string_view text);

// RFC 3339 with any fraction and zone, in nanoseconds; nullopt for anything else.
std::optional<std::int64_t> ParseRfc3339(std::string_view text);
// "2026-01-02T03:04:05.678Z": UTC, milliseconds.
std::string FormatRfc3339(std::int64_t time_ms);

// Saturates: the times of the API reach further than nanoseconds of 64 bits.
std::int64_t NanosOf(std::int64_t time_ms);

// A whole number of at least zero; "" is nullopt.
base::Result<std::optional<std::size_t>> ParseLimit(std::string_view text);

}  // namespace enclave::observatory::api
