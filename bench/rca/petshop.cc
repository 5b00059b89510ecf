#include "bench/rca/petshop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "bench/rca/csv.h"

namespace enclave::bench::rca {
namespace {

using telemetry::Label;
using telemetry::Labels;
using telemetry::Sample;

constexpr std::int64_t kPeriodMs = 300'000;

struct Naming {
  std::string_view metric;
  double factor = 1;
};

std::optional<Naming> NamingOf(std::string_view metric) {
  if (metric == "latency") return Naming{"http_server_request_duration_seconds"};
  if (metric == "availability") return Naming{"http_server_request_availability_ratio", 1e-2};
  // A sum over the period.
  if (metric == "requests")
    return Naming{"http_server_requests_per_second", 1e3 / static_cast<double>(kPeriodMs)};
  return std::nullopt;
}

// p95 is a quantile; Average and Sum are statistics.
Label LabelOf(std::string_view statistic) {
  if (statistic.starts_with('p'))
    if (const auto percent = ParseInteger(statistic.substr(1)); percent && *percent > 0)
      return {"quantile", fmt::format("{}", static_cast<double>(*percent) / 100)};
  std::string lower(statistic);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return {"statistic", lower};
}

}  // namespace

incident::Window ReadNodeMetrics(std::string text, std::string_view file, LoadedCase& loaded) {
  CsvReader reader(text);
  std::vector<std::string_view> nodes;
  std::vector<std::string_view> metrics;
  std::vector<std::string_view> statistics;
  for (auto* header : {&nodes, &metrics, &statistics})
    if (reader.Next(*header) != CsvReader::Row::kFields || header->size() != nodes.size()) {
      Skip(loaded, file, reader.line(), "three header rows of one width are needed");
      return {};
    }
  std::vector<std::vector<Sample>> samples(nodes.size());
  incident::Window window{INT64_MAX, INT64_MIN};
  std::vector<std::string_view> fields;
  for (;;) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) break;
    if (row == CsvReader::Row::kMalformed || fields.size() != nodes.size()) {
      Skip(loaded, file, reader.line(), "malformed row");
      continue;
    }
    if (fields.front() == "unix_timestamp") continue;  // names the column, has no values
    const auto time = ParseNumber(fields.front());
    if (!time || !(*time > 0) || *time > 9e9) {
      Skip(loaded, file, reader.line(), "no time");
      continue;
    }
    const auto time_ms = static_cast<std::int64_t>(*time * 1e3);
    window.from_ns = std::min(window.from_ns, time_ms * kMillisecondNs);
    window.to_ns = std::max(window.to_ns, (time_ms + kPeriodMs) * kMillisecondNs);
    bool all = true;
    for (std::size_t i = 1; i < fields.size(); ++i) {
      if (fields[i].empty()) continue;  // no requests in this period
      const auto value = ParseNumber(fields[i]);
      all = all && value;
      if (value && !std::isnan(*value)) samples[i].push_back({time_ms, *value});
    }
    if (!all) Skip(loaded, file, reader.line(), "a field that is no number");
  }
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const auto naming = NamingOf(metrics[i]);
    if (!naming) {
      Skip(loaded, file, 2, "a metric without a translation");
      continue;
    }
    if (samples[i].empty()) continue;
    for (Sample& sample : samples[i]) sample.value *= naming->factor;
    loaded.metrics.Add(
        Labels::From({{std::string(telemetry::kMetricName), std::string(naming->metric)},
                      {"service_name", std::string(nodes[i])},
                      LabelOf(statistics[i])}),
        std::move(samples[i]));
  }
  return window.from_ns < window.to_ns ? window : incident::Window{};
}

void ReadGraph(std::string text, std::string_view file, LoadedCase& loaded) {
  CsvReader reader(text);
  std::vector<std::string_view> callees;
  if (reader.Next(callees) != CsvReader::Row::kFields) return Skip(loaded, file, 1, "no header");
  std::vector<std::string_view> fields;
  for (;;) {
    const CsvReader::Row row = reader.Next(fields);
    if (row == CsvReader::Row::kEnd) break;
    if (row == CsvReader::Row::kMalformed || fields.size() != callees.size()) {
      Skip(loaded, file, reader.line(), "malformed row");
      continue;
    }
    for (std::size_t i = 1; i < fields.size(); ++i)
      if (const auto weight = ParseNumber(fields[i]); weight && *weight > 0)
        loaded.topology.push_back({std::string(fields[0]), std::string(callees[i])});
  }
  std::ranges::sort(loaded.topology);
  const auto same = std::ranges::unique(loaded.topology);
  loaded.topology.erase(same.begin(), same.end());
}

base::Result<LoadedCase> LoadPetShopCase(const std::string& directory, const CaseEntry& entry) {
  LoadedCase loaded;
  loaded.id = entry.id;
  loaded.alert_time_ns = entry.alert_time_ns;
  loaded.alert_service = entry.alert_service;
  loaded.alert_name = entry.alert_name;
  loaded.missing = entry.missing;
  const auto open = [&](const std::string& path) -> std::optional<std::string> {
    if (path.empty()) return std::nullopt;
    auto text = ReadFile(directory + "/" + path);
    if (text) return *std::move(text);
    if (std::ranges::find(loaded.missing, path) == loaded.missing.end())
      loaded.missing.push_back(path);
    return std::nullopt;
  };
  for (const std::string& path : entry.metric) {
    auto text = open(path);
    if (!text) continue;
    const incident::Window window = ReadNodeMetrics(*std::move(text), path, loaded);
    if (window.from_ns == window.to_ns) continue;
    const bool is_first = loaded.available.from_ns == loaded.available.to_ns;
    loaded.available = {
        is_first ? window.from_ns : std::min(loaded.available.from_ns, window.from_ns),
        std::max(loaded.available.to_ns, window.to_ns)};
  }
  if (loaded.available.from_ns == loaded.available.to_ns)
    return base::Fail(base::ErrorKind::kInvalidArgument,
                      fmt::format("loading case {} of {}: none of its files has a row",
                                  base::Quote(entry.id), directory));
  if (auto text = open(entry.normal_metric)) {
    const incident::Window window = ReadNodeMetrics(*std::move(text), entry.normal_metric, loaded);
    if (window.from_ns != window.to_ns) loaded.normal.push_back(window);
  }
  if (auto text = open(entry.graph)) ReadGraph(*std::move(text), entry.graph, loaded);
  return loaded;
}

}  // namespace enclave::bench::rca
