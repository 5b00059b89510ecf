#include "lab/load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace enclave::lab::load {
namespace {

// Microseconds below 2^kExactBits have a bucket each; above, each power of two has 2^kExactBits
// / 2.
constexpr int kExactBits = 6;
constexpr std::uint64_t kExact = 1U << kExactBits;
constexpr std::uint64_t kLongestUs = std::uint64_t{1} << 32;  // 71 minutes

std::size_t BucketOf(std::uint64_t us) {
  us = std::min(us, kLongestUs);
  if (us < kExact) return us;
  const int shift = static_cast<int>(std::bit_width(us)) - kExactBits;
  return static_cast<std::size_t>(shift) * (kExact / 2) + (us >> shift);
}

// The middle of a bucket.
std::uint64_t ValueOf(std::size_t bucket) {
  if (bucket < kExact) return bucket;
  const std::uint64_t shift = bucket / (kExact / 2) - 1;
  const std::uint64_t low = (bucket - shift * (kExact / 2)) << shift;
  return low + ((std::uint64_t{1} << shift) - 1) / 2;
}

double Seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double Milliseconds(base::Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double Rate(std::uint64_t count, base::Duration elapsed) {
  return elapsed <= base::Duration::zero() ? 0 : static_cast<double>(count) / Seconds(elapsed);
}

double ErrorPercent(const ActionFigures& figures) {
  return figures.count == 0
             ? 0
             : 100.0 * static_cast<double>(figures.errors) / static_cast<double>(figures.count);
}

std::string Row(std::string_view name, const ActionFigures& figures, base::Duration elapsed) {
  const Latencies& latencies = figures.latencies;
  return fmt::format("{:<14} {:>8} {:>9.2f} {:>7} {:>7.2f}% {:>9} {:>9} {:>9} {:>9}\n", name,
                     figures.count, Rate(figures.count, elapsed), figures.errors,
                     ErrorPercent(figures), ShownDuration(latencies.Percentile(0.5)),
                     ShownDuration(latencies.Percentile(0.9)),
                     ShownDuration(latencies.Percentile(0.99)), ShownDuration(latencies.max()));
}

nlohmann::json FiguresToJson(const ActionFigures& figures, base::Duration elapsed) {
  const Latencies& latencies = figures.latencies;
  return {{"actions", figures.count},
          {"requests", figures.requests},
          {"errors", figures.errors},
          {"rate_per_s", Rate(figures.count, elapsed)},
          {"p50_ms", Milliseconds(latencies.Percentile(0.5))},
          {"p90_ms", Milliseconds(latencies.Percentile(0.9))},
          {"p99_ms", Milliseconds(latencies.Percentile(0.99))},
          {"max_ms", Milliseconds(latencies.max())}};
}

}  // namespace

void Latencies::Add(base::Duration latency) {
  latency = std::max(latency, base::Duration::zero());
  const auto us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(latency).count());
  const std::size_t bucket = BucketOf(us);
  if (buckets_.size() <= bucket) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  ++count_;
  max_ = std::max(max_, latency);
}

void Latencies::Add(const Latencies& other) {
  if (buckets_.size() < other.buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

base::Duration Latencies::Percentile(double share) const {
  if (count_ == 0) return base::Duration::zero();
  const auto rank = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min<base::Duration>(std::chrono::microseconds(ValueOf(i)), max_);
  }
  return max_;
}

void Report::Add(Action action, base::Duration latency, std::uint64_t requests,
                 std::optional<Failure> failure) {
  ActionFigures& figures = actions_[static_cast<std::size_t>(action)];
  ++figures.count;
  figures.requests += requests;
  figures.latencies.Add(latency);
  if (!failure) return;
  ++figures.errors;
  if (failures_.size() == kMostFailures) failures_.pop_front();
  failures_.push_back(std::move(*failure));
}

ActionFigures Report::All() const {
  ActionFigures all;
  for (const ActionFigures& figures : actions_) {
    all.count += figures.count;
    all.errors += figures.errors;
    all.requests += figures.requests;
    all.latencies.Add(figures.latencies);
  }
  return all;
}

std::string Report::Line(base::Duration elapsed, int users) const {
  const ActionFigures all = All();
  return fmt::format(
      "{:>4} users {:>8.1f} actions/s {:>6} errors ({:.2f} %)   p50 {}  p90 {}  p99 {}  max {}",
      users, Rate(all.count, elapsed), all.errors, ErrorPercent(all),
      ShownDuration(all.latencies.Percentile(0.5)), ShownDuration(all.latencies.Percentile(0.9)),
      ShownDuration(all.latencies.Percentile(0.99)), ShownDuration(all.latencies.max()));
}

std::string Report::Table(base::Duration elapsed) const {
  std::string table =
      fmt::format("{:<14} {:>8} {:>9} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9}\n", "ACTION", "COUNT",
                  "PER S", "ERRORS", "", "P50", "P90", "P99", "MAX");
  for (const ActionKind& kind : kActions) table += Row(kind.name, of(kind.action), elapsed);
  table += Row("all", All(), elapsed);
  for (const Failure& failure : failures_)
    table += fmt::format("{:>7.1f} s  {}: {}  trace {}\n", Seconds(failure.at),
                         NameOf(failure.action), failure.why, failure.trace_id);
  return table;
}

nlohmann::json Report::ToJson(base::Duration elapsed) const {
  nlohmann::json by_action = nlohmann::json::object();
  for (const ActionKind& kind : kActions)
    by_action[std::string(kind.name)] = FiguresToJson(of(kind.action), elapsed);
  nlohmann::json failures = nlohmann::json::array();
  for (const Failure& failure : failures_)
    failures.push_back({{"at_s", Seconds(failure.at)},
                        {"action", NameOf(failure.action)},
                        {"why", failure.why},
                        {"trace_id", failure.trace_id}});
  return {{"elapsed_s", Seconds(elapsed)},
          {"all", FiguresToJson(All(), elapsed)},
          {"by_action", std::move(by_action)},
          {"failures", std::move(failures)}};
}

std::string ShownDuration(base::Duration duration) {
  const double us = std::chrono::duration<double, std::micro>(duration).count();
  if (us < 1000) return fmt::format("{:.0f} us", us);
  if (us < 1'000'000) return fmt::format("{:.1f} ms", us / 1000);
  return fmt::format("{:.2f} s", us / 1'000'000);
}

}  // namespace enclave::lab::load
