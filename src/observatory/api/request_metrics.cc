#include "request_metrics.h"

#include <fmt/format.h>

#include <chrono>
#include <iterator>

#include "json_writer.h"

namespace enclave::observatory::api {

void RequestMetrics::Count(const std::string& route, int status, base::Duration took,
                           std::size_t bytes) {
  const double seconds = std::chrono::duration<double>(took).count();
  const std::lock_guard lock(mutex_);
  OfRoute& of_route = routes_[route];
  for (std::size_t i = 0; i < kBounds.size(); ++i)
    if (seconds <= kBounds[i]) ++of_route.buckets[i];
  ++of_route.count;
  of_route.seconds += seconds;
  of_route.bytes += bytes;
  ++codes_[{route, status}];
}

void RequestMetrics::Append(std::string* page) const {
  auto out = std::back_inserter(*page);
  {
    const std::lock_guard lock(mutex_);
    page->append(
        "# HELP observatory_http_requests_total Requests answered, by route and status.\n"
        "# TYPE observatory_http_requests_total counter\n");
    for (const auto& [key, count] : codes_)
      fmt::format_to(out, "observatory_http_requests_total{{route=\"{}\",code=\"{}\"}} {}\n",
                     key.first, key.second, count);
    page->append(
        "# HELP observatory_http_request_duration_seconds From the whole request to the answer.\n"
        "# TYPE observatory_http_request_duration_seconds histogram\n");
    for (const auto& [route, of_route] : routes_) {
      for (std::size_t i = 0; i < kBounds.size(); ++i)
        fmt::format_to(
            out, "observatory_http_request_duration_seconds_bucket{{route=\"{}\",le=\"{}\"}} {}\n",
            route, kBounds[i], of_route.buckets[i]);
      fmt::format_to(
          out,
          "observatory_http_request_duration_seconds_bucket{{route=\"{0}\",le=\"+Inf\"}} {1}\n"
          "observatory_http_request_duration_seconds_sum{{route=\"{0}\"}} {2}\n"
          "observatory_http_request_duration_seconds_count{{route=\"{0}\"}} {1}\n",
          route, of_route.count, of_route.seconds);
    }
    page->append(
        "# HELP observatory_http_response_bytes_total Bytes of answers before compression.\n"
        "# TYPE observatory_http_response_bytes_total counter\n");
    for (const auto& [route, of_route] : routes_)
      fmt::format_to(out, "observatory_http_response_bytes_total{{route=\"{}\"}} {}\n", route,
                     of_route.bytes);
  }
  AppendMetric(page, "observatory_http_rejected_total", "counter",
               "Requests answered with 503 because a queue was full.",
               static_cast<double>(rejected_.load()));
  AppendMetric(page, "observatory_http_timeouts_total", "counter",
               "Requests that were given up at their deadline.",
               static_cast<double>(timeouts_.load()));
  AppendMetric(page, "observatory_http_clients_gone_total", "counter",
               "Requests whose client closed before the answer.",
               static_cast<double>(gone_.load()));
}

void AppendMetric(std::string* page, std::string_view name, std::string_view type,
                  std::string_view help, double value) {
  fmt::format_to(std::back_inserter(*page), "# HELP {0} {2}\n# TYPE {0} {1}\n{0} ", name, type,
                 help);
  AppendSampleValue(page, value);
  page->push_back('\n');
}

}  // namespace enclave::observatory::api
