// A Sink for the tests of this folder: keeps what was written as text, and fails when told to.
//
// Thread safety: any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/sink.h"

namespace enclave::observatory::scrape {

class RecordingSink final : public telemetry::Sink {
 public:
  struct Written {
    telemetry::Labels labels;
    telemetry::Sample sample;
    std::vector<telemetry::Exemplar> exemplars;
  };

  base::Result<telemetry::Refused> Write(telemetry::Batch batch) override {
    const std::lock_guard lock(mutex_);
    if (!failures_.empty()) {
      const base::Error error = failures_.front();
      failures_.pop_front();
      return base::Fail(error);
    }
    ++batches_;
    for (const telemetry::SeriesWrite& series : batch.series) {
      std::vector<telemetry::Label> labels;
      for (const auto& view : series.labels) {
        labels.push_back({std::string(view.name), std::string(view.value)});
      }
      const auto owned = telemetry::Labels::From(std::move(labels));
      for (const telemetry::Sample& sample : series.samples) {
        samples_.push_back({owned, sample, series.exemplars});
      }
    }
    for (const telemetry::StreamWrite& stream : batch.streams) {
      auto& records = streams_[stream.labels.ToString()];
      records.insert(records.end(), stream.records.begin(), stream.records.end());
    }
    metadata_.merge(batch.metadata);
    changed_.notify_all();
    return telemetry::Refused{};
  }

  void FailNext(base::Error error) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(std::move(error));
  }
  // Waits until `done` holds for what was written.
  template <typename F>
  void WaitUntil(F done) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done(*this); });
  }
  // Of one series, by its text; the latest last. Without lock within WaitUntil.
  std::vector<telemetry::Sample> Of(const std::string& series) const {
    std::vector<telemetry::Sample> found;
    for (const Written& written : samples_) {
      if (written.labels.ToString() == series) found.push_back(written.sample);
    }
    return found;
  }
  const std::vector<Written>& samples() const { return samples_; }
  const std::map<std::string, std::vector<telemetry::LogRecord>>& streams() const {
    return streams_;
  }
  const std::map<std::string, telemetry::MetricMetadata>& metadata() const { return metadata_; }
  std::size_t batches() const { return batches_; }
  void Clear() { samples_.clear(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<base::Error> failures_;
  std::vector<Written> samples_;
  std::map<std::string, std::vector<telemetry::LogRecord>> streams_;
  std::map<std::string, telemetry::MetricMetadata> metadata_;
  std::size_t batches_ = 0;
};

}  // namespace enclave::observatory::scrape
