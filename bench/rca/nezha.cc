#include "bench/rca/nezha.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "base/quote.h"
#include "bench/rca/csv.h"
#include "bench/rca/nezha_spans.h"

namespace enclave::bench::rca {
namespace {

using telemetry::Label;
using telemetry::Labels;
using telemetry::Sample;

// What a column is called by OpenTelemetry's conventions, as its Prometheus exporter writes it.
struct Column {
  std::string_view source;
  std::string_view metric;
  double factor;
  Label label{};  // empty: none
};

const std::vector<Column>& PodColumns() {
  static const std::vector<Column> columns{
      {"CpuUsage(m)", "k8s_pod_cpu_usage", 1e-3},
      {"CpuUsageRate(%)", "k8s_pod_cpu_limit_utilization_ratio", 1e-2},
      {"MemoryUsage(Mi)", "k8s_pod_memory_usage_bytes", 1048576},
      {"MemoryUsageRate(%)", "k8s_pod_memory_limit_utilization_ratio", 1e-2},
      {"SyscallRead", "k8s_pod_syscalls", 1, {"type", "read"}},
      {"SyscallWrite", "k8s_pod_syscalls", 1, {"type", "write"}},
      {"NetworkReceiveBytes", "k8s_pod_network_io_bytes", 1, {"network_io_direction", "receive"}},
      {"NetworkTransmitBytes", "k8s_pod_network_io_bytes", 1, {"network_io_direction", "transmit"}},
      {"PodClientLatencyP90(s)", "http_client_request_duration_seconds", 1, {"quantile", "0.9"}},
      {"PodClientLatencyP95(s)", "http_client_request_duration_seconds", 1, {"quantile", "0.95"}},
      {"PodClientLatencyP99(s)", "http_client_request_duration_seconds", 1, {"quantile", "0.99"}},
      {"PodServerLatencyP90(s)", "http_server_request_duration_seconds", 1, {"quantile", "0.9"}},
      {"PodServerLatencyP95(s)", "http_server_request_duration_seconds", 1, {"quantile", "0.95"}},
      {"PodServerLatencyP99(s)", "http_server_request_duration_seconds", 1, {"quantile", "0.99"}},
      {"PodWorkload(Ops)", "http_server_requests_per_second", 1},
      {"PodSuccessRate(%)", "http_server_request_success_ratio", 1e-2},
      {"NodeCpuUsageRate(%)", "k8s_node_cpu_utilization_ratio", 1e-2},
      {"NodeMemoryUsageRate(%)", "k8s_node_memory_utilization_ratio", 1e-2},
      {"NodeNetworkReceiveBytes",
       "k8s_node_network_io_bytes",
       1,
       {"network_io_direction", "receive"}},
  };
  return columns;
}

// What the load generator saw, named apart from what the entry's own pod reports.
const std::vector<Column>& UserColumns() {
  static const std::vector<Column> columns{
      {"SuccessRate(%)", "user_request_success_ratio", 1e-2},
      {"LatencyP50(s)", "user_request_duration_seconds", 1, {"quantile", "0.5"}},
      {"LatencyP90(s)", "user_request_duration_seconds", 1, {"quantile", "0.9"}},
      {"LatencyP95(s)", "user_request_duration_seconds", 1, {"quantile", "0.95"}},
      {"LatencyP99(s)", "user_request_duration_seconds", 1, {"quantile", "0.99"}},
  };
  return columns;
}

// One column of a file on its way to becoming a series.
struct Series {
  std::size_t place;
  double factor;
  Labels labels;
  std::vector<Sample> samples{};
};

Labels With(const Labels& common, std::string_view metric, const Label& label) {
  Labels labels = common;
  labels.Set(telemetry::kMetricName, metric);
  if (!label.name.empty()) labels.Set(label.name, label.value);
  return labels;
}

// `choose` makes the series of a header. The clock is the column Time, because TimeStamp is altered
// in places.
template <typename Choose>
void ReadTable(std::string text, std::string_view file, std::string_view time_column,
               std::int64_t end_ns, LoadedCase& loaded, const Choose& choose) {
  CsvReader reader(text);
  std::vector<std::string_view> fields;
  if (reader.Next(fields) != CsvReader::Row::kFields) return Skip(loaded, file, 1, "no header");
  const std::size_t width = fields.size();
  const auto time = FindColumns(fields, std::array{time_column}).front();
  if (!time) return Skip(loaded, file, 1, "the header lacks a column of times");
  std::vector<Series> series = choose(fields);
  for (;;) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) break;
    if (row == CsvReader::Row::kMalformed || fields.size() != width) {
      Skip(loaded, file, reader.line(), "malformed row");
      continue;
    }
    const auto time_ns = ParseGoTimeNs(fields[*time]);
    if (!time_ns) {
      Skip(loaded, file, reader.line(), "no time");
      continue;
    }
    if (*time_ns >= end_ns) continue;
    bool all = true;
    for (Series& one : series) {
      const std::string_view field = fields[one.place];
      if (field.empty()) continue;  // nothing was measured
      const auto value = ParseNumber(field);
      all = all && value;
      if (value) one.samples.push_back({*time_ns / kMillisecondNs, *value * one.factor});
    }
    if (!all) Skip(loaded, file, reader.line(), "a field that is no number");
  }
  for (Series& one : series) loaded.metrics.Add(std::move(one.labels), std::move(one.samples));
}

std::vector<Series> Choose(std::span<const std::string_view> header,
                           const std::vector<Column>& columns, const Labels& common) {
  std::vector<Series> series;
  for (const Column& column : columns) {
    const auto place = FindColumns(header, std::array{column.source}).front();
    if (place) series.push_back({*place, column.factor, With(common, column.metric, column.label)});
  }
  return series;
}

// Calls, and on which host the pods of a service are.
void ReadDependencies(std::string text, std::string_view file,
                      std::map<std::string, std::string>& hosts, LoadedCase& loaded) {
  CsvReader reader(text);
  std::vector<std::string_view> fields;
  const auto is_address = [](std::string_view name) {
    return std::ranges::count(name, '.') == 3 &&
           std::ranges::all_of(name, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  };
  for (bool is_header = true;; is_header = false) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) return;
    if (row == CsvReader::Row::kMalformed || fields.size() < 2) {
      Skip(loaded, file, reader.line(), "malformed row");
    } else if (is_header) {
      continue;
    } else if (is_address(fields[1])) {
      hosts[std::string(fields[0])] = fields[1];
    } else {
      loaded.topology.push_back({std::string(fields[0]), std::string(fields[1])});
    }
  }
}

// The minute that a file's name says: ".../08_52_trace.csv" on "2023-01-29".
std::optional<std::int64_t> MinuteOf(std::string_view path, std::string_view date) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.size() < 6 || name[2] != '_' || name[5] != '_') return std::nullopt;
  return ParseGoTimeNs(
      fmt::format("{} {}:{}:00 +0000 UTC", date, name.substr(0, 2), name.substr(3, 2)));
}

class CaseReader {
 public:
  CaseReader(const std::string& directory, const CaseEntry& entry)
      : directory_(directory), entry_(entry) {}

  base::Result<LoadedCase> Read() {
    loaded_.id = entry_.id;
    loaded_.alert_time_ns = entry_.alert_time_ns;
    loaded_.alert_name = entry_.alert_name;
    loaded_.missing = entry_.missing;
    ReadIncident();
    ReadNormal();
    loaded_.alert_service = spans_.Finish(loaded_);
    if (window_.empty())
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("loading case {} of {}: no file of it says its time",
                                    base::Quote(entry_.id), directory_));
    loaded_.available = {window_.first_ns, window_.last_ns + 1};
    RETURN_IF_ERROR(ReadMetrics());
    std::ranges::sort(loaded_.topology);
    const auto same = std::ranges::unique(loaded_.topology);
    loaded_.topology.erase(same.begin(), same.end());
    std::ranges::sort(loaded_.missing);
    return std::move(loaded_);
  }

 private:
  void ReadIncident() {
    for (const auto* paths : {&entry_.trace, &entry_.log, &entry_.traceid})
      for (const std::string& path : *paths)
        if (const auto minute = MinuteOf(path, entry_.date)) {
          window_.Add(*minute);
          window_.Add(*minute + kMinuteNs - 1);
        }
    for (const std::string& path : entry_.trace)
      if (auto text = Open(path)) Widen(spans_.Read(*std::move(text), path, loaded_));
    for (const std::string& path : entry_.log)
      if (auto text = Open(path)) Widen(ReadNezhaLog(*std::move(text), path, nodes_, loaded_));
  }

  void ReadNormal() {
    TimeBounds normal;
    const auto add = [&](const TimeBounds& bounds) {
      if (bounds.empty()) return;
      normal.Add(bounds.first_ns);
      normal.Add(bounds.last_ns);
    };
    if (!entry_.normal_trace.empty())
      if (auto text = Open(entry_.normal_trace))
        add(spans_.Read(*std::move(text), entry_.normal_trace, loaded_));
    if (!entry_.normal_log.empty())
      if (auto text = Open(entry_.normal_log))
        add(ReadNezhaLog(*std::move(text), entry_.normal_log, nodes_, loaded_));
    if (!normal.empty()) loaded_.normal.push_back({normal.first_ns, normal.last_ns + 1});
  }

  base::Result<> ReadMetrics() {
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(directory_ + "/" + entry_.metric_dir, error), end;
         !error && at != end; at.increment(error))
      if (at->path().extension() == ".csv") names.push_back(at->path().filename().string());
    if (error) {
      loaded_.missing.push_back(entry_.metric_dir);
      return {};
    }
    std::ranges::sort(names);
    std::map<std::string, std::string> hosts;
    const std::int64_t end_ns = loaded_.available.to_ns;
    std::vector<std::string> pods;
    constexpr std::string_view kPodSuffix = "_metric.csv";
    for (const std::string& name : names)
      if (name.ends_with(kPodSuffix)) pods.push_back(name);
    if (std::ranges::find(names, "dependency.csv") != names.end())
      if (auto text = Open(entry_.metric_dir + "/dependency.csv"))
        ReadDependencies(*std::move(text), entry_.metric_dir + "/dependency.csv", hosts, loaded_);
    for (const std::string& name : names) {
      const std::string path = entry_.metric_dir + "/" + name;
      if (name == "dependency.csv") continue;
      auto text = Open(path);
      if (!text) continue;
      if (name == "front_service.csv") {
        ReadUserMetrics(*std::move(text), path, EntryService(pods), end_ns, loaded_);
      } else if (name.starts_with("source_") || name.starts_with("destination_")) {
        ReadEdgeMetrics(*std::move(text), path, name.substr(0, name.find('_')), end_ns, loaded_);
      } else if (name.ends_with(kPodSuffix)) {
        const std::string pod = name.substr(0, name.size() - kPodSuffix.size());
        std::string node = nodes_[pod];
        if (node.empty()) node = hosts[std::string(ServiceOfPod(pod))];
        ReadPodMetrics(*std::move(text), path, node, end_ns, loaded_);
      }
    }
    return {};
  }

  // Where users enter: who has most roots of traces; without traces the user side's own name,
  // "Frontend", when a service is called so.
  std::string EntryService(const std::vector<std::string>& pods) {
    if (loaded_.alert_service.empty() && std::ranges::any_of(pods, [](const std::string& pod) {
          return pod.starts_with("frontend-");
        }))
      loaded_.alert_service = "frontend";
    return loaded_.alert_service;
  }

  void Widen(const TimeBounds& bounds) {
    if (bounds.empty()) return;
    window_.Add(bounds.first_ns);
    window_.Add(bounds.last_ns);
  }

  std::optional<std::string> Open(const std::string& path) {
    auto text = ReadFile(directory_ + "/" + path);
    if (text) return *std::move(text);
    if (std::ranges::find(loaded_.missing, path) == loaded_.missing.end())
      loaded_.missing.push_back(path);
    return std::nullopt;
  }

  const std::string& directory_;
  const CaseEntry& entry_;
  LoadedCase loaded_;
  NezhaSpans spans_;
  std::map<std::string, std::string> nodes_;  // of pods
  TimeBounds window_;
};

}  // namespace

base::Result<LoadedCase> LoadNezhaCase(const std::string& directory, const CaseEntry& entry) {
  return CaseReader(directory, entry).Read();
}

std::string_view ServiceOfPod(std::string_view pod) {
  const std::size_t last = pod.rfind('-');
  if (last == std::string_view::npos || last == 0) return pod;
  const std::size_t before = pod.rfind('-', last - 1);
  return before == std::string_view::npos || before == 0 ? pod : pod.substr(0, before);
}

void ReadPodMetrics(std::string text, std::string_view file, std::string_view node,
                    std::int64_t end_ns, LoadedCase& loaded) {
  constexpr std::string_view kSuffix = "_metric.csv";
  std::string_view pod = file.substr(file.rfind('/') + 1);
  if (pod.ends_with(kSuffix)) pod.remove_suffix(kSuffix.size());
  const Labels common = Labels::From({{"service_name", std::string(ServiceOfPod(pod))},
                                      {"k8s_pod_name", std::string(pod)},
                                      {"k8s_node_name", std::string(node)}});
  ReadTable(std::move(text), file, "Time", end_ns, loaded,
            [&](const auto& header) { return Choose(header, PodColumns(), common); });
}

void ReadUserMetrics(std::string text, std::string_view file, std::string_view entry_service,
                     std::int64_t end_ns, LoadedCase& loaded) {
  const Labels common = Labels::From({{"service_name", std::string(entry_service)}});
  ReadTable(std::move(text), file, "Time", end_ns, loaded,
            [&](const auto& header) { return Choose(header, UserColumns(), common); });
}

void ReadEdgeMetrics(std::string text, std::string_view file, std::string_view reporter,
                     std::int64_t end_ns, LoadedCase& loaded) {
  ReadTable(std::move(text), file, "time", end_ns, loaded, [&](const auto& header) {
    std::vector<Series> series;
    for (std::size_t place = 0; place < header.size(); ++place) {
      const std::string_view name = header[place];
      const std::size_t between = name.find('_');
      if (between == std::string_view::npos || between == 0 || between + 1 == name.size()) continue;
      Labels labels = Labels::From({{"source", std::string(name.substr(0, between))},
                                    {"destination", std::string(name.substr(between + 1))},
                                    {"reporter", std::string(reporter)},
                                    {"quantile", "0.5"}});
      labels.Set(telemetry::kMetricName, "mesh_request_duration_seconds");
      series.push_back({place, 1, std::move(labels)});
    }
    return series;
  });
}

}  // namespace enclave::bench::rca
