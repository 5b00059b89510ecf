#include "agent/series_objectives.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

// A sample further back is of a service that is not measured any more.
constexpr milliseconds kOldest{15'000};
constexpr std::size_t kMostObjectives = 10'000;

Result<telemetry::Matcher> AnyName(const std::set<std::string>& names) {
  std::string pattern;
  for (const std::string& name : names) pattern += (pattern.empty() ? "" : "|") + name;
  return telemetry::Matcher::Create(telemetry::MatchOp::kRegex, std::string(telemetry::kMetricName),
                                    pattern);
}

struct Counted {
  double bad = 0;
  double all = 0;
  double share() const { return all > 0 ? std::clamp(bad / all, 0.0, 1.0) : 0; }
};

}  // namespace

std::string SeriesObjectives::ServiceOf(const telemetry::Labels& labels) const {
  const std::string_view value = labels.Get(policy_.service_label);
  return std::string(value.substr(value.rfind('/') + 1));
}

Result<std::vector<Objective>> SeriesObjectives::State(base::WallTime now) {
  const std::lock_guard lock(mutex_);
  if (!reading_) {
    reading_ = true;
    if (!workers_.Submit([this, now] { Read(now); })) reading_ = false;
  }
  if (last_ && clock_.Now() - read_at_ > kStale)
    return Fail(ErrorKind::kUnavailable, "the objectives are not read in time");
  return last_;
}

void SeriesObjectives::Read(base::WallTime now) {
  const auto values = ReadValues(now);
  const std::lock_guard lock(mutex_);
  reading_ = false;
  if (values) {
    last_ = Judge(*values);
    read_at_ = clock_.Now();
  } else if (!last_ || clock_.Now() - read_at_ > kStale) {
    // One failed reading among good ones says nothing.
    last_ = Fail(values.error().While("reading the objectives"));
  }
}

Result<SeriesObjectives::Values> SeriesObjectives::ReadValues(base::WallTime now) {
  std::set<std::string> names;
  for (const Promise& promise : policy_.promises)
    for (const CountedShare* share : {&promise.now, &promise.lately})
      for (const std::string* name : {&share->bad, &share->all})
        if (!name->empty()) names.insert(*name);
  Values values;
  if (names.empty()) return values;
  ASSIGN_OR_RETURN(telemetry::Matcher matcher, AnyName(names));
  const std::int64_t now_ms = duration_cast<milliseconds>(now.time_since_epoch()).count();
  ASSIGN_OR_RETURN(const auto set,
                   metrics_.Select({std::move(matcher)}, {now_ms - kOldest.count(), now_ms}));
  std::vector<telemetry::Sample> samples;
  for (std::size_t i = 0; i < std::min(set->size(), kMostObjectives); ++i) {
    RETURN_IF_ERROR(set->Read(i, samples));
    // Staleness markers are NaN too.
    if (samples.empty() || !std::isfinite(samples.back().value)) continue;
    const telemetry::Labels& labels = set->labels(i);
    values[std::string(labels.Get(telemetry::kMetricName))][ServiceOf(labels)] +=
        samples.back().value;
  }
  return values;
}

std::vector<Objective> SeriesObjectives::Judge(const Values& values) {
  const auto count = [&](const CountedShare& share, const std::string& service) {
    Counted counted;
    for (const auto& [name, into] :
         {std::pair{&share.bad, &counted.bad}, std::pair{&share.all, &counted.all}}) {
      const auto series = values.find(*name);
      if (series == values.end()) continue;
      const auto value = series->second.find(service);
      if (value != series->second.end()) *into = std::max(0.0, value->second);
    }
    // What is counted as bad was asked for, whatever the other series has seen of it yet.
    counted.all = std::max(counted.all, counted.bad);
    return counted;
  };
  const base::MonoTime now = clock_.Now();
  for (const Promise& promise : policy_.promises) {
    std::set<std::string> services;
    for (const std::string* name : {&promise.now.bad, &promise.now.all})
      if (const auto series = values.find(*name); series != values.end())
        for (const auto& [service, value] : series->second) services.insert(service);
    for (const std::string& service : services) {
      const Counted counted = count(promise.now, service);
      if (counted.all <= 0) continue;
      const double limit = promise.allowed * promise.burn;
      bool missed = counted.share() > limit && counted.bad >= promise.now.least;
      if (missed && !promise.lately.bad.empty()) {
        const Counted lately = count(promise.lately, service);
        missed = lately.share() > limit && lately.bad >= promise.lately.least;
      }
      Objective objective{.name = fmt::format("{} {}", service, promise.name),
                          .service = service,
                          .well = !missed,
                          .bad_ratio = counted.share()};
      objective.sentence =
          fmt::format("{:.0f} of {:.0f} requests to {} miss {} ({:.2f} % may)", counted.bad,
                      counted.all, service, promise.name, promise.allowed * 100);
      told_[objective.name] = {.objective = objective, .heard = now};
    }
  }
  std::erase_if(told_, [&](const auto& entry) { return now - entry.second.heard > kQuiet; });
  std::vector<Objective> objectives;
  for (const auto& [name, told] : told_) {
    objectives.push_back(told.objective);
    objectives.back().unasked = now - told.heard;
  }
  return objectives;
}

// The windows do not overlap when read one window apart, so they add up to what there was. The
// first is the one that ends where the incident begins: what is seen first happened before.
Result<Impact> SeriesObjectives::Felt(std::int64_t from_ns, std::int64_t to_ns) {
  const std::int64_t step_ms = duration_cast<milliseconds>(policy_.window).count();
  const std::int64_t from_ms = from_ns / 1'000'000;
  const std::int64_t to_ms = std::max(to_ns / 1'000'000, from_ms + 1) + step_ms;
  std::set<std::string> names;
  for (const Promise& promise : policy_.promises) names.insert({promise.now.bad, promise.now.all});
  if (names.empty())
    return Fail(ErrorKind::kNotFound, "the policy names no objectives that users would feel");
  ASSIGN_OR_RETURN(telemetry::Matcher matcher, AnyName(names));
  ASSIGN_OR_RETURN(const auto set, metrics_.Select({std::move(matcher)}, {from_ms, to_ms}));
  std::map<std::string, double> sums;
  std::vector<telemetry::Sample> samples;
  for (std::size_t i = 0; i < set->size(); ++i) {
    const telemetry::Labels& labels = set->labels(i);
    if (!policy_.users.empty() && ServiceOf(labels) != policy_.users) continue;
    RETURN_IF_ERROR(set->Read(i, samples));
    std::int64_t next_ms = from_ms;
    for (const telemetry::Sample& sample : samples) {
      if (sample.time_ms < next_ms || !std::isfinite(sample.value)) continue;
      sums[std::string(labels.Get(telemetry::kMetricName))] += std::max(0.0, sample.value);
      next_ms = sample.time_ms + step_ms;
    }
  }
  Impact impact;
  for (const Promise& promise : policy_.promises) {
    const double bad = sums[promise.now.bad];
    const double all = std::max(sums[promise.now.all], bad);
    impact.users += bad;
    impact.requests = std::max(impact.requests, all);
    // Of the budget that as many requests would have through the whole period.
    const double seconds = static_cast<double>(to_ms - from_ms + step_ms) / 1000;
    const double period = std::chrono::duration<double>(policy_.period).count();
    if (all > 0 && promise.allowed > 0)
      impact.budget_spent =
          std::max(impact.budget_spent, bad / all / promise.allowed * seconds / period);
  }
  // Who waits for an answer until it fails is counted by two promises.
  impact.users = std::min(impact.users, impact.requests);
  return impact;
}

}  // namespace enclave::agent
