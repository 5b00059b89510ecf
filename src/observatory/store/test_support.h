// What the tests of the store share: a directory of their own, a clock they set, short ways to
// write and read.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/executor.h"
#include "observatory/store/store.h"
#include "telemetry/matcher.h"

namespace enclave::observatory::store {

// Empty at first, gone at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "store-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class SetClock final : public base::Clock {
 public:
  explicit SetClock(std::int64_t ms = 1'700'000'000'000) : ms_(ms) {}
  base::WallTime WallNow() const override {
    return base::WallTime(std::chrono::milliseconds(ms_.load()));
  }
  base::MonoTime Now() const override {
    return base::MonoTime(std::chrono::milliseconds(ms_.load()));
  }
  std::int64_t ms() const { return ms_; }
  void Advance(base::Duration by) {
    ms_ += std::chrono::duration_cast<std::chrono::milliseconds>(by).count();
  }

 private:
  std::atomic<std::int64_t> ms_;
};

inline StoreOptions TestOptions(const TemporaryDirectory& directory) {
  StoreOptions options;
  options.directory = directory.path();
  options.background = false;
  options.retention.age = base::Duration::zero();
  return options;
}

inline std::unique_ptr<Store> OpenStore(const StoreOptions& options, base::Clock& clock) {
  auto store = Store::Open(options, clock);
  EXPECT_TRUE(store) << store.error().ToString();
  return store ? std::move(*store) : nullptr;
}

inline void AddSeries(telemetry::Batch& batch, const telemetry::Labels& labels,
                      std::vector<telemetry::Sample> samples) {
  telemetry::SeriesWrite write;
  for (const telemetry::Label& label : labels)
    write.labels.push_back({batch.Keep(label.name), batch.Keep(label.value)});
  write.samples = std::move(samples);
  batch.series.push_back(std::move(write));
}

inline telemetry::Refused WriteSamples(Store& store, const telemetry::Labels& labels,
                                       std::vector<telemetry::Sample> samples) {
  telemetry::Batch batch;
  AddSeries(batch, labels, std::move(samples));
  auto refused = store.sink().Write(std::move(batch));
  EXPECT_TRUE(refused) << refused.error().ToString();
  return refused ? *refused : telemetry::Refused();
}

inline constexpr telemetry::TimeRangeMs kAllTimes = {std::numeric_limits<std::int64_t>::min(),
                                                     std::numeric_limits<std::int64_t>::max()};

// Time and value of each sample, by series.
using Found = std::map<telemetry::Labels, std::vector<std::pair<std::int64_t, double>>>;

inline Found ReadAll(telemetry::SeriesSet& set) {
  Found found;
  std::vector<telemetry::Sample> samples;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const auto read = set.Read(i, samples);
    EXPECT_TRUE(read) << read.error().ToString();
    auto& of_series = found[set.labels(i)];
    for (const telemetry::Sample& sample : samples)
      of_series.emplace_back(sample.time_ms, sample.value);
  }
  return found;
}

inline Found ReadSamples(Store& store, const telemetry::Matchers& matchers,
                         telemetry::TimeRangeMs range = kAllTimes) {
  auto set = store.metrics().Select(matchers, range);
  EXPECT_TRUE(set) << set.error().ToString();
  return set ? ReadAll(**set) : Found();
}

inline telemetry::Matcher Match(telemetry::MatchOp op, std::string name, std::string value) {
  return telemetry::Matcher::Create(op, std::move(name), std::move(value)).value();
}

}  // namespace enclave::observatory::store
