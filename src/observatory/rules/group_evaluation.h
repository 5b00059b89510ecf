// One group of rules with all it has to remember between evaluations.
//
// Thread safety: one call at a time, by any thread.
#pragma once

#include <set>
#include <vector>

#include "observatory/rules/rule_manager.h"

namespace enclave::observatory::rules {

class GroupEvaluation {
 public:
  struct Dependencies {
    const base::Clock& clock;
    RuleEngine& engine;
    telemetry::Sink& sink;
    telemetry::MetricSource* source;
  };

  GroupEvaluation(RuleGroup group, Dependencies dependencies, const RuleManagerOptions& options);

  // All rules in order; what is due to be sent.
  std::vector<Notification> Evaluate(base::WallTime now);
  // Takes over the state of rules that are the same, and ends the series of those that are not.
  void TakeOver(GroupEvaluation& before);
  // Staleness markers for all series of this group.
  void End(base::WallTime now);

  const RuleGroup& group() const { return group_; }
  GroupStatus Status() const;

 private:
  struct State {
    explicit State(Rule of) : rule(of), alerting(std::move(of)) {}
    Rule rule;
    AlertingRule alerting;  // used for alerts only
    bool restored = false;
    std::set<telemetry::Labels> written{};  // series that are in the store and not stale
    RuleStatus status{};
  };

  base::Result<> EvaluateRule(State& state, base::WallTime now);
  base::Result<std::vector<RuleSample>> Record(const State& state, base::WallTime now);
  AlertingRule::Restore RestoreOf(const State& state, base::WallTime now) const;
  base::Result<> WriteSamples(State& state, const std::vector<RuleSample>& samples,
                              base::WallTime at);

  const RuleGroup group_;
  const Dependencies dependencies_;
  const RuleManagerOptions options_;
  std::vector<State> states_;
  std::set<telemetry::Labels> orphans_;  // series of rules that a reload took away
  base::WallTime last_evaluation_{};
  base::Duration evaluation_time_{};
};

}  // namespace enclave::observatory::rules
