#include "lab/drills/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quote.h"

namespace enclave::lab::drills {
namespace {

using base::Duration;
using base::WallTime;

bool Has(const std::vector<std::string>& list, const std::string& one) {
  return std::ranges::find(list, one) != list.end();
}

bool Matches(const Cause& truth, const SeenCause& seen) {
  return Has(truth.services, seen.service) && Has(truth.kinds, seen.kind);
}

// The drill sees the agent once a second, so what it decided on is seen this much later.
constexpr std::chrono::milliseconds kSeenLate{1500};

// What an incident held for the cause when it first acted, or at its end. Later opinions count only
// where several things are wrong, and the first to be repaired gives way to the next.
std::vector<SeenCause> Opinions(const SeenIncident& incident, bool several) {
  if (several || incident.causes.empty()) return incident.causes;
  const auto action = std::ranges::find_if(
      incident.actions, [](const SeenAction& one) { return one.started.has_value(); });
  if (action == incident.actions.end()) return {incident.causes.back()};
  SeenCause held = incident.causes.front();
  for (const SeenCause& cause : incident.causes)
    if (cause.seen <= *action->started + kSeenLate) held = cause;
  return {held};
}

std::string Told(const std::vector<SeenIncident>& incidents) {
  std::string told;
  for (const SeenIncident& incident : incidents)
    for (const SeenCause& cause : incident.causes)
      told += fmt::format("{}{}: {}", told.empty() ? "" : ", then ", cause.service, cause.kind);
  return told.empty() ? "nothing" : told;
}

void JudgeRanking(const Drill& drill, const Seen& seen, Verdict* verdict) {
  const std::vector<Cause> not_found = NotFound(drill, seen.incidents);
  verdict->ranked = not_found.empty();
  for (const Cause& truth : not_found)
    verdict->faults.push_back(
        fmt::format("the cause ({}: {}) was not ranked first; the agent said {}",
                    truth.services.front(), truth.kinds.front(), Told(seen.incidents)));
}

void JudgeActions(const Drill& drill, const Seen& seen, Verdict* verdict) {
  verdict->acceptable = true;
  const auto refuse = [&](std::string why) {
    verdict->acceptable = false;
    verdict->faults.push_back(std::move(why));
  };
  bool any = false;
  for (const SeenIncident& incident : seen.incidents)
    for (const SeenAction& action : incident.actions) {
      if (action.kind == "escalate") continue;
      any = true;
      const bool accepted = std::ranges::any_of(
          drill.causes, [&](const Cause& truth) { return Has(truth.actions, action.kind); });
      const bool there = Has(drill.may_touch, "Deployment/" + action.workload) ||
                         Has(drill.may_touch, "ConfigMap/" + action.workload);
      if (!accepted || !there)
        refuse(fmt::format("the action {} of {} was not acceptable", action.kind,
                           base::Quote(action.workload)));
    }
  const bool must = std::ranges::any_of(
      drill.causes, [](const Cause& truth) { return !Has(truth.actions, "none"); });
  if (must && !any) refuse("the agent did nothing");
}

void JudgeRecovery(const Drill& drill, const Seen& seen, Verdict* verdict) {
  const auto felt = seen.Felt();
  if (!felt && seen.incidents.empty()) {
    verdict->faults.emplace_back("the fault did not show: nobody felt it");
    return;
  }
  const WallTime from = felt.value_or(seen.broken);
  if (const auto detected = seen.Detected()) {
    verdict->detection = std::max(*detected - from, Duration::zero());
    verdict->detected = *verdict->detection <= drill.detect;
    if (!verdict->detected)
      verdict->faults.push_back(fmt::format("detected after {:.1f} s, allowed are {:.0f} s",
                                            InSeconds(*verdict->detection),
                                            InSeconds(drill.detect)));
  } else {
    verdict->faults.emplace_back("no incident was opened");
  }
  if (!seen.well_since) {
    verdict->faults.emplace_back("users were not well again");
    return;
  }
  verdict->recovery = std::max(*seen.well_since - from, Duration::zero());
  verdict->recovered = *verdict->recovery <= drill.recover;
  if (!verdict->recovered)
    verdict->faults.push_back(fmt::format("well again after {:.1f} s, allowed are {:.0f} s",
                                          InSeconds(*verdict->recovery), InSeconds(drill.recover)));
  for (const SeenIncident& incident : seen.incidents) {
    if (incident.open()) {
      verdict->recovered = false;
      verdict->faults.push_back(fmt::format("incident {} was not closed", incident.id));
    } else if (incident.outcome == "escalated") {
      verdict->recovered = false;
      verdict->faults.push_back(
          fmt::format("incident {} was handed to people: {}", incident.id, incident.why));
    }
  }
}

}  // namespace

std::optional<WallTime> Seen::Felt() const {
  if (request && first_bad) return std::min(request->time, *first_bad);
  return request ? std::optional(request->time) : first_bad;
}

std::optional<WallTime> Seen::Detected() const {
  return incidents.empty() ? std::nullopt : std::optional(incidents.front().opened);
}

std::optional<WallTime> Seen::Diagnosed() const {
  std::optional<WallTime> first;
  for (const SeenIncident& incident : incidents)
    if (const auto at = incident.At("diagnosed"); at && (!first || *at < *first)) first = at;
  return first;
}

std::optional<WallTime> Seen::Acted() const {
  std::optional<WallTime> first;
  for (const SeenIncident& incident : incidents)
    for (const SeenAction& action : incident.actions)
      if (action.started && (!first || *action.started < *first)) first = action.started;
  return first;
}

std::vector<Cause> NotFound(const Drill& drill, const std::vector<SeenIncident>& incidents) {
  const bool several = drill.causes.size() > 1;
  std::vector<Cause> not_found;
  for (const Cause& truth : drill.causes) {
    const bool found = std::ranges::any_of(incidents, [&](const SeenIncident& incident) {
      return std::ranges::any_of(Opinions(incident, several),
                                 [&](const SeenCause& cause) { return Matches(truth, cause); });
    });
    if (!found) not_found.push_back(truth);
  }
  return not_found;
}

Verdict Judge(const Drill& drill, const Seen& seen) {
  Verdict verdict;
  if (!seen.failed.empty()) verdict.faults.push_back(seen.failed);
  if (seen.interrupted) verdict.faults.emplace_back("it was interrupted");
  verdict.harmless = seen.touched.empty();
  for (const std::string& touched : seen.touched) verdict.faults.push_back("touched: " + touched);
  if (drill.causes.empty()) {
    verdict.detected = verdict.ranked = verdict.acceptable = verdict.recovered =
        seen.incidents.empty();
    for (const SeenIncident& incident : seen.incidents)
      verdict.faults.push_back(fmt::format("incident {} was opened though nothing was wrong: {}",
                                           incident.id, Told({incident})));
    return verdict;
  }
  JudgeRanking(drill, seen, &verdict);
  JudgeActions(drill, seen, &verdict);
  JudgeRecovery(drill, seen, &verdict);
  return verdict;
}

}  // namespace enclave::lab::drills
