// What the HTTP front counts about itself, and the page /metrics that it stands on.
//
// Thread safety: any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/executor.h"

namespace enclave::observatory::api {

class RequestMetrics {
 public:
  // `route` is the pattern, never a path: the number of series stays bounded.
  void Count(const std::string& route, int status, base::Duration took, std::size_t bytes);
  void CountRejected() { rejected_.fetch_add(1, std::memory_order_relaxed); }
  void CountTimeout() { timeouts_.fetch_add(1, std::memory_order_relaxed); }
  void CountClientGone() { gone_.fetch_add(1, std::memory_order_relaxed); }

  // In Prometheus' text format.
  void Append(std::string* page) const;

 private:
  static constexpr std::array<double, 10> kBounds = {0.001, 0.005, 0.025, 0.1, 0.25,
                                                     0.5,   1,     2.5,   10,  60};
  struct OfRoute {
    std::array<std::uint64_t, kBounds.size()> buckets{};
    std::uint64_t count = 0;
    double seconds = 0;
    std::uint64_t bytes = 0;
  };

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, OfRoute> routes_;
  std::map<std::pair<std::string, int>, std::uint64_t> codes_;

  std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> timeouts_{0};
  std::atomic<std::uint64_t> gone_{0};
};

// One metric in Prometheus' text format: its HELP and TYPE lines, and a sample without labels.
void AppendMetric(std::string* page, std::string_view name, std::string_view type,
                  std::string_view help, double value);

}  // namespace enclave::observatory::api
