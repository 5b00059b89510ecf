// What visitors saw: counts, errors and latencies by kind of action. Latencies are kept in buckets
// of equal relative width, so memory does not grow with time and a percentile is off by 1.6 % at
// most.
//
// Values; one thread at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/executor.h"
#include "lab/load/behaviour.h"

namespace enclave::lab::load {

class Latencies {
 public:
  void Add(base::Duration latency);
  void Add(const Latencies& other);
  // The latency that `share` (0..1) of all are not above; zero when there are none.
  base::Duration Percentile(double share) const;
  base::Duration max() const { return max_; }
  std::uint64_t count() const { return count_; }

 private:
  std::vector<std::uint32_t> buckets_;  // grows to the largest latency seen, at most kMostBuckets
  std::uint64_t count_ = 0;
  base::Duration max_{};
};

// One action that went wrong, as the visitor saw it.
struct Failure {
  Action action;
  std::string why;
  std::string trace_id;
  base::Duration at{};  // since the run began
};

struct ActionFigures {
  std::uint64_t count = 0;
  std::uint64_t errors = 0;
  std::uint64_t requests = 0;
  Latencies latencies;
};

class Report {
 public:
  static constexpr std::size_t kMostFailures = 100;  // the newest are kept

  void Add(Action action, base::Duration latency, std::uint64_t requests,
           std::optional<Failure> failure);

  const ActionFigures& of(Action action) const {
    return actions_[static_cast<std::size_t>(action)];
  }
  ActionFigures All() const;
  const std::deque<Failure>& failures() const { return failures_; }

  // One line: rate, errors, percentiles of all actions.
  std::string Line(base::Duration elapsed, int users) const;
  // A table by action, and the failures that are kept.
  std::string Table(base::Duration elapsed) const;
  nlohmann::json ToJson(base::Duration elapsed) const;

 private:
  std::array<ActionFigures, kActions.size()> actions_;
  std::deque<Failure> failures_;
};

// "742 us", "4.1 ms", "1.25 s"
std::string ShownDuration(base::Duration duration);

}  // namespace enclave::lab::load
