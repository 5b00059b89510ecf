#include "cluster/api/api_metrics.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>
#include <charconv>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace enclave::cluster {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// When this process started, in seconds since the epoch: boot time plus field 22 of
// /proc/self/stat.
double StartTime() {
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  const std::size_t after_name = line.rfind(')');
  if (after_name == std::string::npos) return 0;
  std::istringstream fields(line.substr(after_name + 1));
  std::string field;
  for (int i = 0; i < 20 && fields >> field; ++i) continue;
  double boot_s = 0;
  std::ifstream system("/proc/stat");
  for (std::string row; std::getline(system, row);) {
    if (row.starts_with("btime ")) std::from_chars(row.data() + 6, row.data() + row.size(), boot_s);
  }
  return boot_s + std::strtod(field.c_str(), nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void ApiMetrics::Finished(const Request& request, base::Duration took, bool long_running) {
  const double seconds = std::chrono::duration<double>(took).count();
  std::lock_guard lock(mutex_);
  if (requests_.size() < kMaxSeries) {
    ++requests_[{request.verb, request.group, request.version, request.resource,
                 request.subresource, request.code}];
  }
  if (long_running || durations_.size() >= kMaxSeries) return;
  Histogram& histogram = durations_[{request.verb, request.group, request.version, request.resource,
                                     request.subresource}];
  ++histogram.count;
  histogram.sum_s += seconds;
  const auto bound = std::ranges::lower_bound(kBounds, seconds);
  if (bound != kBounds.end())
    ++histogram.buckets[static_cast<std::size_t>(bound - kBounds.begin())];
}

void ApiMetrics::Render(MetricsText& text) const {
  text.Family("apiserver_current_inflight_requests", "gauge", "Requests being served now");
  text.Sample({{"request_kind", "readOnly"}}, static_cast<double>(reading_));
  text.Sample({{"request_kind", "mutating"}}, static_cast<double>(mutating_));
  text.Family("apiserver_longrunning_requests", "gauge", "Watches and log streams open now");
  text.Sample({}, static_cast<double>(streams_));

  std::lock_guard lock(mutex_);
  text.Family("apiserver_request_total", "counter", "Requests answered");
  for (const auto& [key, count] : requests_) {
    const auto& [verb, group, version, resource, subresource, code] = key;
    text.Sample({{"verb", verb},
                 {"group", group},
                 {"version", version},
                 {"resource", resource},
                 {"subresource", subresource},
                 {"code", std::to_string(code)}},
                static_cast<double>(count));
  }
  text.Family("apiserver_request_duration_seconds", "histogram", "Time to answer a request");
  for (const auto& [key, histogram] : durations_) {
    const auto& [verb, group, version, resource, subresource] = key;
    const auto bucket = [&](std::string_view bound, std::uint64_t count) {
      text.Sample("_bucket",
                  {{"verb", verb},
                   {"group", group},
                   {"version", version},
                   {"resource", resource},
                   {"subresource", subresource},
                   {"le", bound}},
                  static_cast<double>(count));
    };
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < kBounds.size(); ++i) {
      cumulative += histogram.buckets[i];
      bucket(fmt::format("{}", kBounds[i]), cumulative);
    }
    bucket("+Inf", histogram.count);
    const auto total = [&](std::string_view suffix, double value) {
      text.Sample(suffix,
                  {{"verb", verb},
                   {"group", group},
                   {"version", version},
                   {"resource", resource},
                   {"subresource", subresource}},
                  value);
    };
    total("_sum", histogram.sum_s);
    total("_count", static_cast<double>(histogram.count));
  }
}

void RenderProcessMetrics(MetricsText& text) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  text.Family("process_cpu_seconds_total", "counter", "CPU time used, user and system");
  text.Sample({}, Seconds(usage.ru_utime) + Seconds(usage.ru_stime));

  long long pages = 0;
  std::ifstream statm("/proc/self/statm");
  statm >> pages >> pages;
  text.Family("process_resident_memory_bytes", "gauge", "Resident memory");
  text.Sample({}, static_cast<double>(pages * ::sysconf(_SC_PAGESIZE)));

  std::error_code error;
  const auto descriptors =
      std::distance(std::filesystem::directory_iterator("/proc/self/fd", error),
                    std::filesystem::directory_iterator());
  text.Family("process_open_fds", "gauge", "Open file descriptors");
  text.Sample({}, static_cast<double>(descriptors));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  text.Family("process_max_fds", "gauge", "File descriptors this process may open");
  text.Sample({}, static_cast<double>(limit.rlim_cur));

  static const double start_time = StartTime();
  text.Family("process_start_time_seconds", "gauge", "Start of the process, Unix time");
  text.Sample({}, start_time);
}

}  // namespace enclave::cluster
