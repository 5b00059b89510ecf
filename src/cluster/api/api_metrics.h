// The API server's own metrics, under the names that kube-apiserver gives them, and those of its
// process.
//
// Thread safety: all methods may be called from any thread. The number of series is bounded: labels
// come from the registry's names, never from what a client wrote.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>

#include "base/executor.h"
#include "cluster/api/metrics_text.h"

namespace enclave::cluster {

class ApiMetrics {
 public:
  struct Request {
    std::string verb;  // upper case, as kube-apiserver writes it: "GET", "LIST", "WATCH"
    std::string group;
    std::string version;
    std::string resource;  // empty for paths that are no resources
    std::string subresource;
    int code = 0;
  };

  // After the answer. Long-running ones (watch, log) count without their duration.
  void Finished(const Request& request, base::Duration took, bool long_running);
  // While a request is being served; `mutating` tells which bound it counts against.
  void Started(bool mutating) { (mutating ? mutating_ : reading_).fetch_add(1); }
  void Ended(bool mutating) { (mutating ? mutating_ : reading_).fetch_sub(1); }
  void StreamOpened() { streams_.fetch_add(1); }
  void StreamClosed() { streams_.fetch_sub(1); }

  std::int64_t inflight(bool mutating) const { return mutating ? mutating_ : reading_; }

  void Render(MetricsText& text) const;

 private:
  static constexpr std::array<double, 14> kBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  // A bound on the series, should a registry with very many kinds ask for more.
  static constexpr std::size_t kMaxSeries = 5'000;

  using CounterKey =
      std::tuple<std::string, std::string, std::string, std::string, std::string, int>;
  using HistogramKey = std::tuple<std::string, std::string, std::string, std::string, std::string>;
  struct Histogram {
    std::array<std::uint64_t, kBounds.size()> buckets{};  // not cumulative
    std::uint64_t count = 0;
    double sum_s = 0;
  };

  std::atomic<std::int64_t> reading_ = 0;
  std::atomic<std::int64_t> mutating_ = 0;
  std::atomic<std::int64_t> streams_ = 0;
  mutable std::mutex mutex_;
  std::map<CounterKey, std::uint64_t> requests_;  // guarded by mutex_
  std::map<HistogramKey, Histogram> durations_;   // guarded by mutex_
};

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds,
// process_start_time_seconds of this process.
void RenderProcessMetrics(MetricsText& text);

}  // namespace enclave::cluster
