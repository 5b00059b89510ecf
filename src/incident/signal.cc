#include "incident/signal.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace enclave::incident {
namespace {

// Lower-case words of a name in snake_case, CamelCase or with dots.
std::vector<std::string> Words(std::string_view name) {
  std::vector<std::string> words(1);
  char previous = '_';
  for (const char c : name) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    const bool is_word = is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool begins = is_upper && previous >= 'a' && previous <= 'z';
    if ((!is_word || begins) && !words.back().empty()) words.emplace_back();
    if (is_word) words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    previous = c;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

template <std::size_t N>
bool Any(const std::vector<std::string>& words, const std::array<std::string_view, N>& of) {
  return std::ranges::any_of(
      words, [&](const std::string& word) { return std::ranges::find(of, word) != of.end(); });
}

constexpr auto kCpuWords = std::to_array<std::string_view>({"cpu", "processor", "throttled"});
constexpr auto kMemoryWords =
    std::to_array<std::string_view>({"memory", "mem", "rss", "heap", "oom", "swap"});
constexpr auto kDiskWords =
    std::to_array<std::string_view>({"disk", "filesystem", "fs", "inodes", "volume", "iops"});
constexpr auto kLatencyWords = std::to_array<std::string_view>({"latency", "duration", "elapsed"});
constexpr auto kErrorWords = std::to_array<std::string_view>(
    {"error", "errors", "failed", "failure", "failures", "fault", "faults", "exception",
     "exceptions", "rejected", "5xx", "success", "successes", "availability", "available"});
constexpr auto kGoodWords =
    std::to_array<std::string_view>({"success", "successes", "availability", "available"});
// How many were late is neither how long they took nor how many there were.
constexpr auto kLateWords = std::to_array<std::string_view>({"slow", "late"});
// How many are under way grows with how long they take as much as with how many come (Little's
// law).
constexpr auto kUnderWayWords = std::to_array<std::string_view>(
    {"active", "concurrent", "flight", "inflight", "pending", "running", "waiting"});
constexpr auto kTrafficWords = std::to_array<std::string_view>(
    {"request", "requests", "calls", "workload", "throughput", "ops", "qps", "rps", "queries"});
constexpr auto kNetworkWords = std::to_array<std::string_view>(
    {"network", "net", "transmit", "receive", "tcp", "socket", "packets"});
constexpr auto kRestartWords = std::to_array<std::string_view>({"restart", "restarts"});
constexpr auto kCertificateWords =
    std::to_array<std::string_view>({"certificate", "cert", "certs", "x509"});
constexpr auto kRatioWords = std::to_array<std::string_view>(
    {"ratio", "utilization", "utilisation", "availability", "percent", "percentage"});
constexpr auto kRateWords = std::to_array<std::string_view>({"qps", "rps"});
constexpr auto kBookkeepingSuffixes =
    std::to_array<std::string_view>({"_bucket", "_count", "_sum", "_created", "_info"});

Signal SignalOfWords(const std::vector<std::string>& words) {
  if (Any(words, kCertificateWords)) return Signal::kCertificate;
  if (Any(words, kRestartWords)) return Signal::kRestarts;
  if (Any(words, kCpuWords)) return Signal::kCpu;
  if (Any(words, kMemoryWords)) return Signal::kMemory;
  if (Any(words, kDiskWords)) return Signal::kDisk;
  if (Any(words, kLatencyWords)) return Signal::kLatency;
  if (Any(words, kErrorWords)) return Signal::kErrors;
  if (Any(words, kLateWords) || Any(words, kUnderWayWords)) return Signal::kOther;
  if (Any(words, kTrafficWords)) return Signal::kTraffic;
  if (Any(words, kNetworkWords)) return Signal::kNetwork;
  return Signal::kOther;
}

bool IsHash(std::string_view part, std::size_t least, std::size_t most) {
  return part.size() >= least && part.size() <= most && std::ranges::all_of(part, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
         });
}

}  // namespace

SignalFacts SignalOf(std::string_view metric) {
  SignalFacts facts;
  const std::vector<std::string> words = Words(metric);
  for (const std::string_view suffix : kBookkeepingSuffixes)
    if (metric.ends_with(suffix)) return facts;
  facts.signal = SignalOfWords(words);
  facts.is_counter = metric.ends_with("_total");
  facts.is_rate = facts.is_counter || Any(words, kRateWords) ||
                  (Any(words, std::to_array<std::string_view>({"per"})) &&
                   Any(words, std::to_array<std::string_view>({"second", "sec", "s"})));
  facts.is_ratio = Any(words, kRatioWords);
  facts.is_seconds = std::ranges::find(words, "seconds") != words.end();
  facts.good_is_high = facts.signal == Signal::kErrors && Any(words, kGoodWords);
  facts.of_node = std::ranges::find(words, "node") != words.end() || metric.starts_with("machine_");
  facts.is_client_side = std::ranges::find(words, "client") != words.end();
  return facts;
}

std::string_view WithoutPodHash(std::string_view pod) {
  const std::size_t last = pod.rfind('-');
  if (last == std::string_view::npos || last == 0) return pod;
  const std::string_view tail = pod.substr(last + 1);
  if (!tail.empty() && std::ranges::all_of(tail, [](char c) { return c >= '0' && c <= '9'; }))
    return pod.substr(0, last);  // a StatefulSet's
  if (!IsHash(tail, 5, 5)) return pod;
  const std::string_view rest = pod.substr(0, last);
  const std::size_t before = rest.rfind('-');
  if (before != std::string_view::npos && before > 0 && IsHash(rest.substr(before + 1), 6, 10))
    return rest.substr(0, before);  // a Deployment's
  return rest;                      // a DaemonSet's
}

std::string ServiceOf(const telemetry::Labels& labels) {
  for (const char* name : {"service_name", "app_kubernetes_io_name", "k8s_deployment_name", "app",
                           "deployment", "k8s_statefulset_name", "service"})
    if (const std::string_view value = labels.Get(name); !value.empty()) return std::string(value);
  for (const char* name : {"k8s_pod_name", "pod"})
    if (const std::string_view value = labels.Get(name); !value.empty())
      return std::string(WithoutPodHash(value));
  for (const char* name : {"container", "job"})
    if (const std::string_view value = labels.Get(name); !value.empty()) {
      const std::size_t slash = value.rfind('/');  // job is namespace/name of OpenTelemetry
      return std::string(slash == std::string_view::npos ? value : value.substr(slash + 1));
    }
  return "";
}

}  // namespace enclave::incident
