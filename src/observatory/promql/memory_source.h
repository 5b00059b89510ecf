// A MetricSource that holds its samples in memory: for tests, benchmarks and fuzzers of what asks
// one. Only what PromQL asks is answered; the rest is empty.
//
// Not thread-safe while it is filled; after that any thread may read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/source.h"

namespace enclave::observatory::promql {

class MemorySource : public telemetry::MetricSource {
 public:
  // In any order; of equal times the last one stays.
  void Add(const telemetry::Labels& labels, std::int64_t time_ms, double value) {
    std::vector<telemetry::Sample>& samples = series_[labels];
    const auto at = std::ranges::lower_bound(samples, time_ms, {}, &telemetry::Sample::time_ms);
    if (at != samples.end() && at->time_ms == time_ms)
      at->value = value;
    else
      samples.insert(at, {time_ms, value});
  }
  // A whole series, sorted by time.
  void AddSeries(const telemetry::Labels& labels, std::vector<telemetry::Sample> samples) {
    series_[labels] = std::move(samples);
  }
  void Clear() { series_.clear(); }

  base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(
      const telemetry::Matchers& matchers, telemetry::TimeRangeMs range) override {
    auto set = std::make_unique<Set>(range);
    for (const auto& [labels, samples] : series_)
      if (telemetry::Matches(matchers, labels)) set->found.emplace_back(&labels, &samples);
    return set;
  }
  base::Result<std::vector<telemetry::Labels>> Series(const std::vector<telemetry::Matchers>&,
                                                      telemetry::TimeRangeMs,
                                                      std::size_t) override {
    return std::vector<telemetry::Labels>{};
  }
  base::Result<std::vector<std::string>> LabelNames(const std::vector<telemetry::Matchers>&,
                                                    telemetry::TimeRangeMs) override {
    return std::vector<std::string>{};
  }
  base::Result<std::vector<std::string>> LabelValues(const std::string&,
                                                     const std::vector<telemetry::Matchers>&,
                                                     telemetry::TimeRangeMs) override {
    return std::vector<std::string>{};
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> Exemplars(
      const std::vector<telemetry::Matchers>&, telemetry::TimeRangeMs) override {
    return std::vector<telemetry::SeriesExemplars>{};
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> ExemplarsOf(trace::TraceId) override {
    return std::vector<telemetry::SeriesExemplars>{};
  }
  base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> Metadata(
      const std::string&, std::size_t) override {
    return std::map<std::string, std::vector<telemetry::MetricMetadata>>{};
  }

 private:
  struct Set : telemetry::SeriesSet {
    explicit Set(telemetry::TimeRangeMs asked) : range(asked) {}
    std::size_t size() const override { return found.size(); }
    const telemetry::Labels& labels(std::size_t index) const override {
      return *found[index].first;
    }
    base::Result<> Read(std::size_t index, std::vector<telemetry::Sample>& samples) override {
      const auto& all = *found[index].second;
      const auto from = std::ranges::lower_bound(all, range.from, {}, &telemetry::Sample::time_ms);
      const auto to = std::ranges::upper_bound(all, range.to, {}, &telemetry::Sample::time_ms);
      samples.clear();
      if (from < to) samples.assign(from, to);
      return {};
    }
    telemetry::TimeRangeMs range;
    std::vector<std::pair<const telemetry::Labels*, const std::vector<telemetry::Sample>*>> found;
  };

  std::map<telemetry::Labels, std::vector<telemetry::Sample>> series_;
};

}  // namespace enclave::observatory::promql
