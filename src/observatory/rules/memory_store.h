// A Sink and MetricSource in memory for the tests of this folder.
//
// Thread safety: any thread.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/sink.h"
#include "telemetry/source.h"

namespace enclave::observatory::rules {

class MemoryStore final : public telemetry::Sink, public telemetry::MetricSource {
 public:
  base::Result<telemetry::Refused> Write(telemetry::Batch batch) override {
    const std::lock_guard lock(mutex_);
    if (!failures_.empty()) {
      const base::Error error = failures_.front();
      failures_.pop_front();
      return base::Fail(error);
    }
    for (const telemetry::SeriesWrite& series : batch.series) {
      std::vector<telemetry::Label> labels;
      for (const auto& view : series.labels) {
        labels.push_back({std::string(view.name), std::string(view.value)});
      }
      auto& samples = series_[telemetry::Labels::From(std::move(labels))];
      samples.insert(samples.end(), series.samples.begin(), series.samples.end());
    }
    return telemetry::Refused{};
  }

  base::Result<std::unique_ptr<telemetry::SeriesSet>> Select(
      const telemetry::Matchers& matchers, telemetry::TimeRangeMs range) override {
    class Set final : public telemetry::SeriesSet {
     public:
      std::size_t size() const override { return found.size(); }
      const telemetry::Labels& labels(std::size_t index) const override {
        return found[index].first;
      }
      base::Result<> Read(std::size_t index, std::vector<telemetry::Sample>& samples) override {
        samples = found[index].second;
        return {};
      }
      std::vector<std::pair<telemetry::Labels, std::vector<telemetry::Sample>>> found;
    };
    const std::lock_guard lock(mutex_);
    auto set = std::make_unique<Set>();
    for (const auto& [labels, samples] : series_) {
      if (!telemetry::Matches(matchers, labels)) continue;
      std::vector<telemetry::Sample> in_range;
      std::ranges::copy_if(samples, std::back_inserter(in_range), [&](const auto& sample) {
        return sample.time_ms >= range.from && sample.time_ms <= range.to;
      });
      if (!in_range.empty()) set->found.emplace_back(labels, std::move(in_range));
    }
    return set;
  }
  base::Result<std::vector<telemetry::Labels>> Series(const std::vector<telemetry::Matchers>&,
                                                      telemetry::TimeRangeMs,
                                                      std::size_t) override {
    return std::vector<telemetry::Labels>();
  }
  base::Result<std::vector<std::string>> LabelNames(const std::vector<telemetry::Matchers>&,
                                                    telemetry::TimeRangeMs) override {
    return std::vector<std::string>();
  }
  base::Result<std::vector<std::string>> LabelValues(const std::string&,
                                                     const std::vector<telemetry::Matchers>&,
                                                     telemetry::TimeRangeMs) override {
    return std::vector<std::string>();
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> Exemplars(
      const std::vector<telemetry::Matchers>&, telemetry::TimeRangeMs) override {
    return std::vector<telemetry::SeriesExemplars>();
  }
  base::Result<std::vector<telemetry::SeriesExemplars>> ExemplarsOf(trace::TraceId) override {
    return std::vector<telemetry::SeriesExemplars>();
  }
  base::Result<std::map<std::string, std::vector<telemetry::MetricMetadata>>> Metadata(
      const std::string&, std::size_t) override {
    return std::map<std::string, std::vector<telemetry::MetricMetadata>>();
  }

  void FailNext(base::Error error) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(std::move(error));
  }
  void Put(const telemetry::Labels& labels, telemetry::Sample sample) {
    const std::lock_guard lock(mutex_);
    series_[labels].push_back(sample);
  }
  std::vector<telemetry::Sample> Of(const std::string& series) {
    const std::lock_guard lock(mutex_);
    for (const auto& [labels, samples] : series_) {
      if (labels.ToString() == series) return samples;
    }
    return {};
  }

 private:
  std::mutex mutex_;
  std::deque<base::Error> failures_;
  std::map<telemetry::Labels, std::vector<telemetry::Sample>> series_;
};

}  // namespace enclave::observatory::rules
