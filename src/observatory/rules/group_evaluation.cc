#include "observatory/rules/group_evaluation.h"

#include <fmt/format.h>

#include <bit>
#include <map>
#include <utility>

#include "base/log.h"
#include "observatory/rules/rule_times.h"

namespace enclave::observatory::rules {
namespace {

using base::WallTime;
using telemetry::Labels;

void AddSample(const Labels& labels, std::int64_t time_ms, double value, telemetry::Batch& batch) {
  telemetry::SeriesWrite& write = batch.series.emplace_back();
  for (const telemetry::Label& label : labels) write.labels.push_back({label.name, label.value});
  write.samples.push_back({time_ms, value});
}

}  // namespace

GroupEvaluation::GroupEvaluation(RuleGroup group, Dependencies dependencies,
                                 const RuleManagerOptions& options)
    : group_(std::move(group)), dependencies_(dependencies), options_(options) {
  for (const Rule& rule : group_.rules) {
    states_.emplace_back(rule);
    states_.back().status.rule = rule;
  }
}

void GroupEvaluation::TakeOver(GroupEvaluation& before) {
  orphans_.merge(before.orphans_);
  for (State& old : before.states_) {
    bool taken = false;
    for (State& state : states_) {
      if (taken || state.restored || state.rule.Key() != old.rule.Key()) continue;
      state.alerting.TakeOver(old.alerting);
      state.restored = old.restored;
      state.written = std::move(old.written);
      taken = true;
    }
    if (!taken) orphans_.merge(old.written);
  }
}

base::Result<> GroupEvaluation::WriteSamples(State& state, const std::vector<RuleSample>& samples,
                                             WallTime at) {
  std::set<Labels> present;
  telemetry::Batch batch;
  for (const RuleSample& sample : samples) {
    AddSample(sample.labels, ToMs(at), sample.value, batch);
    present.insert(sample.labels);
  }
  const double stale = std::bit_cast<double>(telemetry::kStaleBits);
  for (const Labels& labels : state.written) {
    if (!present.contains(labels)) AddSample(labels, ToMs(at), stale, batch);
  }
  if (batch.empty()) return {};
  auto written = dependencies_.sink.Write(std::move(batch));
  if (!written) return std::unexpected(written.error().While("writing what the rule gives"));
  if (written->any()) {
    base::LogWarning("rules", "samples of a rule were refused",
                     {{"rule", state.rule.name}, {"why", written->why}});
  }
  state.written = std::move(present);
  return {};
}

base::Result<std::vector<RuleSample>> GroupEvaluation::Record(const State& state, WallTime now) {
  ASSIGN_OR_RETURN(
      const std::vector<VectorSample> found,
      dependencies_.engine.Query(state.rule.expression, ToMs(now - group_.query_offset)));
  if (group_.limit != 0 && found.size() > group_.limit) {
    return base::Fail(
        base::ErrorKind::kResourceExhausted,
        fmt::format("{} series, which is over the limit of {}", found.size(), group_.limit));
  }
  std::vector<RuleSample> samples;
  std::set<Labels> seen;
  for (const VectorSample& sample : found) {
    RuleSample made{sample.labels, sample.value};
    made.labels.Set(telemetry::kMetricName, state.rule.name);
    for (const auto& [name, text] : state.rule.labels) {
      ASSIGN_OR_RETURN(const std::string value, text.Expand({}));
      made.labels.Set(name, value);
    }
    if (!seen.insert(made.labels).second) {
      return base::Fail(base::ErrorKind::kUnprocessable,
                        "the result has several series with the same labels once those of the "
                        "rule are applied");
    }
    samples.push_back(std::move(made));
  }
  return samples;
}

// What ALERTS_FOR_STATE says about the rule's alerts, as a function of their labels.
AlertingRule::Restore GroupEvaluation::RestoreOf(const State& state, WallTime now) const {
  if (dependencies_.source == nullptr || state.rule.hold < options_.grace_period) return {};
  telemetry::Matchers matchers;
  matchers.push_back(
      telemetry::Matcher::Equal(std::string(telemetry::kMetricName), "ALERTS_FOR_STATE"));
  matchers.push_back(telemetry::Matcher::Equal("alertname", state.rule.name));
  auto selected =
      dependencies_.source->Select(matchers, {ToMs(now - options_.outage_tolerance), ToMs(now)});
  if (!selected) {
    base::LogWarning("rules", "the state of alerts is not restored",
                     {{"alert", state.rule.name}, {"error", selected.error().message()}});
    return {};
  }
  std::map<Labels, WallTime> active_at;
  std::vector<telemetry::Sample> samples;
  for (std::size_t i = 0; i < (*selected)->size(); ++i) {
    if (!(*selected)->Read(i, samples) || samples.empty()) continue;
    const telemetry::Sample& last = samples.back();
    constexpr double kMostSeconds = 9e9;
    if (telemetry::IsStale(last.value) || !(last.value > 0 && last.value < kMostSeconds)) continue;
    const WallTime down_at{std::chrono::milliseconds(last.time_ms)};
    const WallTime since{std::chrono::seconds(static_cast<std::int64_t>(last.value))};
    const base::Duration remaining = state.rule.hold - (down_at - since);
    WallTime restored = since;
    if (remaining <= base::Duration::zero()) {
      // It fired already.
    } else if (remaining < options_.grace_period) {
      restored = now + options_.grace_period - state.rule.hold;
    } else {
      // Nobody looked while the program was away: that time does not count.
      restored = since + (now - down_at);
    }
    Labels labels = (*selected)->labels(i);
    labels.Remove(telemetry::kMetricName);
    active_at[std::move(labels)] = restored;
  }
  return [active_at = std::move(active_at)](const Labels& labels) -> std::optional<WallTime> {
    const auto found = active_at.find(labels);
    return found == active_at.end() ? std::nullopt : std::optional(found->second);
  };
}

base::Result<> GroupEvaluation::EvaluateRule(State& state, WallTime now) {
  std::vector<RuleSample> samples;
  if (state.rule.kind == Rule::Kind::kRecording) {
    ASSIGN_OR_RETURN(samples, Record(state, now));
  } else {
    AlertingRule::Restore restore;
    if (!state.restored) restore = RestoreOf(state, now);
    auto evaluated = state.alerting.Evaluate(now, group_.query_offset, group_.limit,
                                             dependencies_.engine, options_.context, restore);
    if (!evaluated) return std::unexpected(std::move(evaluated).error());
    state.restored = true;
    samples = std::move(*evaluated);
  }
  return WriteSamples(state, samples, now - group_.query_offset);
}

std::vector<Notification> GroupEvaluation::Evaluate(WallTime now) {
  const base::MonoTime group_started = dependencies_.clock.Now();
  std::vector<Notification> due;
  for (State& state : states_) {
    const base::MonoTime started = dependencies_.clock.Now();
    const base::Result<> result = EvaluateRule(state, now);
    state.status.evaluated = true;
    state.status.last_evaluation = now;
    state.status.evaluation_time = dependencies_.clock.Now() - started;
    state.status.last_error = result ? "" : result.error().message();
    if (!result) {
      base::LogWarning(
          "rules", "a rule fails",
          {{"group", group_.name}, {"rule", state.rule.name}, {"error", result.error().message()}});
    }
    if (state.rule.kind != Rule::Kind::kAlerting) continue;
    // What could not be written may be sent all the same: people wait for it.
    auto of_rule =
        state.alerting.Due(now, options_.resend_delay, group_.interval, options_.context);
    std::ranges::move(of_rule, std::back_inserter(due));
    state.status.alerts = state.alerting.Active();
  }
  if (!orphans_.empty()) {
    State orphans{Rule{}};
    orphans.written = orphans_;
    if (WriteSamples(orphans, {}, now - group_.query_offset)) orphans_.clear();
  }
  last_evaluation_ = now;
  evaluation_time_ = dependencies_.clock.Now() - group_started;
  return due;
}

void GroupEvaluation::End(WallTime now) {
  State all{Rule{}};
  all.written = orphans_;
  for (State& state : states_) all.written.merge(state.written);
  if (const auto written = WriteSamples(all, {}, now); !written) {
    base::LogWarning("rules", "the end of a group's series is not written",
                     {{"group", group_.name}, {"error", written.error().message()}});
  }
}

GroupStatus GroupEvaluation::Status() const {
  GroupStatus status;
  status.group = group_;
  status.group.rules.clear();
  status.last_evaluation = last_evaluation_;
  status.evaluation_time = evaluation_time_;
  for (const State& state : states_) status.rules.push_back(state.status);
  return status;
}

}  // namespace enclave::observatory::rules
