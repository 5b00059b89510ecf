#include "incident/series_reader.h"

#include <algorithm>
#include <cmath>

#include "incident/rate_change.h"
#include "incident/summary.h"

namespace enclave::incident {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
// Samples just before the onset may already show it: scrapes average over their interval.
constexpr std::int64_t kUnsureNs = 15'000'000'000;
constexpr std::size_t kLeastBefore = 2;
// The onset may be agreed upon too early, and a fault lasts until now: of many samples the last
// third tells what it is like.
constexpr std::size_t kManyDuring = 12;

// By how much a quantity has to move before it means anything, in its own unit.
double FloorOf(const SignalFacts& facts, const Summary& before, double during) {
  // Relative to what the series is like, so that its scale does not matter; a series that was
  // always 0 says at most 20 floors.
  double floor = std::max(
      {0.1 * std::abs(before.median), 0.05 * std::abs(before.high), 0.05 * std::abs(during)});
  if (facts.is_ratio) floor = std::max(floor, facts.signal == Signal::kErrors ? 0.005 : 0.03);
  if (facts.is_seconds) floor = std::max(floor, 0.002);
  return floor;
}

// Differences per second; a counter that fell was reset.
void ToRate(std::vector<telemetry::Sample>& samples) {
  std::size_t kept = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const double seconds =
        static_cast<double>(samples[i].time_ms - samples[i - 1].time_ms) / 1000.0;
    if (seconds <= 0) continue;
    const double rise = samples[i].value - samples[i - 1].value;
    samples[kept].value = (rise >= 0 ? rise : samples[i].value) / seconds;
    samples[kept].time_ms = samples[i].time_ms;
    // Kept apart from what is still to be read: kept < i always.
    ++kept;
  }
  samples.resize(kept);
}

bool IsIn(const std::vector<Window>& windows, std::int64_t time_ns) {
  return std::ranges::any_of(windows, [&](const Window& window) {
    return time_ns >= window.from_ns && time_ns < window.to_ns;
  });
}

// The level of the samples during, which are sorted: the most extreme of few, the farther quartile
// of many.
double LevelOf(std::vector<double>& values, double median) {
  std::ranges::sort(values);
  const std::size_t skip = values.size() < 4 ? 0 : values.size() / 4;
  const double low = values[skip];
  const double high = values[values.size() - 1 - skip];
  return std::abs(high - median) >= std::abs(low - median) ? high : low;
}

std::vector<Point> Thin(const std::vector<telemetry::Sample>& samples, std::size_t most) {
  std::vector<Point> points;
  const std::size_t step = samples.size() / most + 1;
  // Counted from the end, so that the last sample is always there.
  for (std::size_t i = (samples.size() - 1) % step; i < samples.size(); i += step)
    points.push_back({samples[i].time_ms * kNsPerMs, samples[i].value});
  return points;
}

}  // namespace

void SeriesReader::Read(const telemetry::Labels& labels, Reading& reading) {
  std::vector<telemetry::Sample>& samples = reading.samples;
  const SignalFacts& facts = reading.facts;
  std::erase_if(samples,
                [](const telemetry::Sample& sample) { return !std::isfinite(sample.value); });
  if (facts.is_counter) ToRate(samples);
  if (samples.empty()) return;
  Part(samples);
  if (before_.empty()) return;
  SeriesShift& shift = reading.shift;
  reading.is_golden = shift.caller.empty() && !facts.is_client_side &&
                      (facts.signal == Signal::kTraffic || facts.signal == Signal::kLatency ||
                       facts.signal == Signal::kErrors);
  if (during_.empty() || before_.size() < kLeastBefore) return;
  const double median = Quantile(before_, 0.5);
  const double level = LevelOf(during_, median);
  // Most series stay where they were: the least floor there can be tells.
  const double least = FloorOf(facts, {.median = median}, level);
  if (std::abs(level - median) < 0.999 * kLeastScore * least) return;
  shift.before = SummaryBefore();
  const double scale = std::max(shift.before.spread, FloorOf(facts, shift.before, level));
  if (scale == 0) return;
  shift.score = (level - shift.before.median) / scale;
  if (std::abs(shift.score) < kLeastScore) return;
  shift.during = Summarize(during_);
  shift.onset_ns = onset_ns_;
  for (const telemetry::Sample& sample : samples)
    if (sample.time_ms * kNsPerMs >= onset_ns_ &&
        std::abs(sample.value - shift.before.median) > kLeastScore * scale) {
      shift.onset_ns = sample.time_ms * kNsPerMs;
      break;
    }
  for (const char* name : {"k8s_pod_name", "pod", "instance"})
    if (shift.instance.empty()) shift.instance = labels.Get(name);
  shift.series = labels.ToString();
  shift.points = Thin(samples, bounds_.points);
  reading.moved = true;
}

Summary SeriesReader::Before(const Reading& reading) {
  if (reading.shift.before.count > 0) return reading.shift.before;
  Part(reading.samples);
  return SummaryBefore();
}

void SeriesReader::Part(const std::vector<telemetry::Sample>& samples) {
  before_.clear();
  normal_.clear();
  during_.clear();
  normal_median_.reset();
  for (const telemetry::Sample& sample : samples) {
    const std::int64_t time_ns = sample.time_ms * kNsPerMs;
    if (time_ns >= onset_ns_ && time_ns < question_.available.to_ns)
      during_.push_back(sample.value);
    else if (IsIn(question_.normal, time_ns))
      normal_.push_back(sample.value);
    else if (time_ns < onset_ns_ - kUnsureNs && !question_.WasRepaired(time_ns))
      before_.push_back(sample.value);
  }
  if (during_.size() >= kManyDuring)
    during_.erase(during_.begin(), during_.end() - static_cast<std::ptrdiff_t>(during_.size() / 3));
  if (before_.size() < 2) {
    before_.insert(before_.end(), normal_.begin(), normal_.end());
  } else if (before_.size() < 4 && !normal_.empty()) {
    before_.push_back(MedianOfNormal());  // one of few may be too late already
  }
}

Summary SeriesReader::SummaryBefore() {
  Summary before = Summarize(before_);
  before.spread = std::max(before.spread, SpreadAbout(MedianOfNormal(), normal_));
  return before;
}

double SeriesReader::MedianOfNormal() {
  if (!normal_median_) normal_median_ = Quantile(normal_, 0.5);
  return *normal_median_;
}

}  // namespace enclave::incident
