// The objectives of the policy, read from the series that count them.
//
// Reading may take as long as a query does, so workers do it: each asking for the state begins the
// next reading, and is answered with the last one. Too old a reading is no answer.
//
// Where nothing was asked of a service there is nothing to judge it by: its last state stands for
// `kQuiet`, so that a service that only ever failed is not taken for healed because nobody comes.
// `Objective::unasked` says how old that state is.
//
// Thread safety: any thread. The workers end before this does.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/objective_policy.h"
#include "agent/ports.h"
#include "base/executor.h"
#include "telemetry/source.h"
#include "telemetry/workers.h"

namespace enclave::agent {

class SeriesObjectives final : public Objectives {
 public:
  static constexpr base::Duration kStale = std::chrono::seconds(10);  // a reading
  static constexpr base::Duration kQuiet = std::chrono::minutes(2);

  // All outlive this.
  SeriesObjectives(const base::Clock& clock, telemetry::Workers& workers,
                   telemetry::MetricSource& metrics, ObjectivesPolicy policy)
      : clock_(clock), workers_(workers), metrics_(metrics), policy_(std::move(policy)) {}

  base::Result<std::vector<Objective>> State(base::WallTime now) override;
  base::Result<Impact> Felt(std::int64_t from_ns, std::int64_t to_ns) override;

 private:
  // By series, then by service: the newest sample.
  using Values = std::map<std::string, std::map<std::string, double>>;
  struct Told {
    Objective objective{};
    base::MonoTime heard{};  // when there was something to judge it by
  };

  void Read(base::WallTime now);
  base::Result<Values> ReadValues(base::WallTime now);
  std::vector<Objective> Judge(const Values& values);
  std::string ServiceOf(const telemetry::Labels& labels) const;

  const base::Clock& clock_;
  telemetry::Workers& workers_;
  telemetry::MetricSource& metrics_;
  const ObjectivesPolicy policy_;

  std::mutex mutex_;
  bool reading_ = false;
  base::Result<std::vector<Objective>> last_ =
      base::Fail(base::ErrorKind::kUnavailable, "the objectives have not been read yet");
  base::MonoTime read_at_{};
  std::map<std::string, Told> told_;  // by the objective's name; of the reader alone
};

}  // namespace enclave::agent
