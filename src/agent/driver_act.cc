// The stages in which something is, or could be, touched.
#include <fmt/format.h>

#include <algorithm>

#include "agent/driver.h"
#include "base/log.h"
#include "telemetry/config_node.h"

namespace enclave::agent {

using base::Result;
using telemetry::FormatConfigDuration;

namespace {

// Tries of one action whose answers got lost: beyond them it counts as failed, and is undone.
constexpr int kMostTries = 40;
constexpr base::Duration kBetweenTries = std::chrono::seconds(2);
// What was bad falls below this share of what it was: it is better, if not well.
constexpr double kClearlyBetter = 0.7;

struct Carried {
  bool touched = false;  // some step took place, now or before
  std::optional<base::Error> error{};
};

Carried CarryOut(AgentCore& core, const Record& record, const Action& action, bool undo) {
  Carried carried;
  const Marks marks{.trace_id = record.trace ? record.trace->ToString() : "",
                    .action_id = action.id,
                    .incident = record.id,
                    .undo = undo};
  for (const Step& step : action.steps) {
    const auto done = RunStep(core.deps().api, step, marks);
    if (!done) {
      carried.error = done.error();
      return carried;
    }
    carried.touched = true;
  }
  return carried;
}

double BadOf(const std::vector<Objective>& before, const ObjectiveWatch* now) {
  double bad = 0;
  for (const Objective& one : before) {
    if (one.well) continue;
    const Objective* present = now == nullptr ? &one : now->Find(one.name);
    bad += present == nullptr ? one.bad_ratio : present->bad_ratio;
  }
  return bad;
}

// What those that were met before miss now.
double NewlyBad(const std::vector<Objective>& before, const ObjectiveWatch& now) {
  double bad = 0;
  for (const Objective& one : before) {
    const Objective* present = now.Find(one.name);
    if (one.well && present != nullptr && !present->well) bad += present->bad_ratio;
  }
  return bad;
}

std::string Seen(const std::vector<Objective>& before, const ObjectiveWatch& now) {
  std::string text;
  for (const Objective& one : before) {
    const Objective* present = now.Find(one.name);
    if (present == nullptr || (one.well && present->well)) continue;
    if (!text.empty()) text += "; ";
    text += fmt::format("{}: {:.1f} % bad before, {:.1f} % after", one.name, one.bad_ratio * 100,
                        present->bad_ratio * 100);
  }
  return text;
}

}  // namespace

bool Driver::Refuse(const std::string& why) {
  return Append(EventKind::kRefused, {{"why", why}});
}

bool Driver::Consider() {
  if (!core_.watch().known()) {
    if (InStage() < policy().observe) return false;
    return Close(Stage::kEscalated, "the objectives cannot be read, and blind nothing is touched");
  }
  const auto broken_since = BrokenSince();
  if (!broken_since) {
    if (InStage() < policy().observe) return false;
    return Close(Stage::kEscalated,
                 "alerts fire and no objective is missed; nothing was touched, people should look");
  }
  // One reading may be a slip.
  if (core_.Now() - *broken_since < policy().verify.every) return false;
  // Evidence from before the trouble, from long ago or from an earlier process tells little of it.
  const base::Duration fresh = 3 * policy().verify.window + policy().guardrail.patience;
  const bool old = !frozen_at_ || *frozen_at_ < *broken_since || core_.Now() - *frozen_at_ > fresh;
  if (old && record().approved_by.empty())
    return Append(EventKind::kReconsidered, {{"why", "the evidence is old"}});
  const Action* candidate = record().Candidate();
  if (candidate == nullptr || !FactsOf(candidate->kind).mutates) {
    // Who rejected a plan is at it.
    const bool people_know = std::ranges::any_of(
        record().skipped, [](const Skipped& skipped) { return !skipped.by.empty(); });
    const std::string left = record().skipped.empty()
                                 ? "no safe action is left to try"
                                 : "no safe action is left to try: " + record().skipped.back().why;
    if (!people_know && record().contexts < policy().looks * (1 + record().taken.size()))
      return LookAgain(candidate == nullptr ? left : "no cause is plain enough to act on");
    return Close(Stage::kEscalated, candidate == nullptr ? left : candidate->reason);
  }
  if (!MayTry(waiting_)) return false;

  const auto facts = ReadClusterFacts(core_.deps().api, *candidate);
  bool wait = false;
  std::string why;
  if (!facts) {
    wait = MayHaveHappened(facts.error());
    why = facts.error().message();
  } else {
    const Ruling ruling =
        Judge(policy(), *candidate, incident_, *facts, core_.PastActions(), core_.NowNs());
    if (ruling.kind == Ruling::Kind::kAllowed) {
      if ((core_.mode() == Mode::kHuman || candidate->needs_approval) &&
          record().approved_by.empty())
        return Append(EventKind::kApprovalAsked, {{"action", candidate->id}});
      if (DryRunPasses(*candidate, &wait, &why)) return BeginAction(*candidate);
    } else {
      wait = ruling.kind == Ruling::Kind::kWait;
      why = ruling.why;
    }
  }
  if (!wait) return Refuse(why);
  if (InStage() >= policy().guardrail.patience)
    return Refuse(fmt::format("not allowed within {}: {}",
                              FormatConfigDuration(policy().guardrail.patience), why));
  waiting_.not_before = core_.Now() + policy().verify.every;
  return false;
}

bool Driver::LookAgain(const std::string& why) {
  if (InStage() < policy().verify.hold) return false;
  return Append(EventKind::kReconsidered, {{"why", why + "; the evidence is taken again"}});
}

bool Driver::DryRunPasses(const Action& action, bool* wait, std::string* why) {
  const Marks marks{.trace_id = record().trace ? record().trace->ToString() : "",
                    .action_id = action.id,
                    .incident = incident_};
  for (const auto& step : action.steps) {
    const auto passed = TryStep(core_.deps().api, core_.deps().dry_run, step, marks);
    if (passed) continue;
    *wait = MayHaveHappened(passed.error());
    *why = "the dry run was refused: " + passed.error().message();
    return false;
  }
  return true;
}

bool Driver::BeginAction(const Action& action) {
  // What is broken elsewhere belongs to other incidents: it cannot tell whether this helps.
  const auto related = Related();
  std::vector<Objective> before;
  for (const Objective& one : core_.watch().all())
    if (one.well || std::ranges::any_of(
                        related, [&](const Objective* other) { return other->name == one.name; }))
      before.push_back(one);
  const auto inverse = InverseOf(action);
  if (!Append(EventKind::kActionStarted, {{"action", ToJson(action)},
                                          {"inverse", inverse ? ToJson(*inverse) : Json()},
                                          {"before", ToJson(before)}}))
    return false;
  base::LogInfo("agent", "acts",
                {{"incident", incident_}, {"action", action.id}, {"what", action.reason}});
  return true;
}

bool Driver::AwaitApproval() {
  const Action* candidate = record().Candidate();
  if (candidate == nullptr)
    return Close(Stage::kEscalated, "what was to be approved is not there any more");
  if (core_.mode() == Mode::kAutonomous && !candidate->needs_approval)
    return Append(EventKind::kApproved, {{"action", candidate->id}, {"by", "mode autonomous"}});
  if (InStage() < policy().approval_timeout) return false;
  return Close(Stage::kEscalated, fmt::format("nobody approved {} within {}", candidate->id,
                                              FormatConfigDuration(policy().approval_timeout)));
}

bool Driver::Act() {
  if (!MayTry(waiting_)) return false;
  const Action& action = record().taken.back().action;
  spans_.Begin(record(), "act");
  spans_.Note("enclave.action.id", action.id);
  spans_.Note("enclave.action", std::string(ToString(action.kind)));
  const Carried carried = CarryOut(core_, record(), action, false);
  if (!carried.error) {
    spans_.End();
    return Append(EventKind::kActionDone, {{"action", action.id}});
  }
  const std::string error = carried.error->message();
  spans_.Fail(error);
  // Whoever asks again finds out whether it happened.
  if (MayHaveHappened(*carried.error) && ++waiting_.tries < kMostTries) {
    waiting_.not_before = core_.Now() + kBetweenTries;
    waiting_.last_error = error;
    return false;
  }
  if ((carried.touched || MayHaveHappened(*carried.error)) && InverseOf(action))
    return Append(EventKind::kUndoStarted, {{"action", action.id}, {"why", error}});
  if (carried.touched || MayHaveHappened(*carried.error))
    return Append(EventKind::kActionDone, {{"action", action.id}, {"problem", error}});
  return Append(EventKind::kActionFailed, {{"action", action.id}, {"error", error}});
}

bool Driver::Conclude(Verdict verdict, const std::string& seen) {
  spans_.Begin(record(), "verify");
  spans_.Note("enclave.verdict", std::string(ToString(verdict)));
  spans_.End();
  return Append(EventKind::kVerified, {{"action", record().taken.back().action.id},
                                       {"verdict", ToString(verdict)},
                                       {"seen", seen}});
}

bool Driver::HasComeThrough(const Action& action) {
  const base::MonoTime now = core_.Now();
  if (!through_read_ || now - *through_read_ >= policy().verify.every) {
    through_read_ = now;
    const auto facts = ReadClusterFacts(core_.deps().api, action);
    if (!facts || facts->desired == 0 || facts->ready < facts->desired)
      through_since_.reset();
    else if (!through_since_)
      through_since_ = now;
  }
  // What was measured before has to leave the window; clients that back off need a while as well.
  const base::Duration enough = 2 * (policy().objectives.window + policy().verify.hold);
  return through_since_ && now - *through_since_ >= enough;
}

Result<std::string> Driver::WhyNotUndone(const Action& inverse) {
  ASSIGN_OR_RETURN(const ClusterFacts facts, ReadClusterFacts(core_.deps().api, inverse));
  return WhyNotUndo(policy(), inverse, facts);
}

bool Driver::Verify() {
  const Taken& last = record().taken.back();
  const VerifyPolicy& verify = policy().verify;
  if (last.verdict) {
    switch (*last.verdict) {
      case Verdict::kHelped:
        return Close(Stage::kResolved, fmt::format("{} helped: {}", last.action.reason, last.seen));
      case Verdict::kBlind:
        return Close(Stage::kEscalated,
                     fmt::format("whether {} helped cannot be seen", last.action.id));
      case Verdict::kImproved:
        return Append(EventKind::kReconsidered, {{"why", "it is better and not yet well"}});
      case Verdict::kNoHelp:
      case Verdict::kHarmed: {
        const auto inverse = InverseOf(last.action);
        if (!inverse)
          return Append(EventKind::kReconsidered,
                        {{"why", "it did not help, and there is nothing to put back"}});
        const auto why_not = WhyNotUndone(*inverse);
        // Unread, it may take the last pods. Who cannot be reached for so long cannot be written to
        // either, and the undo ends as failed.
        if (!why_not && MayHaveHappened(why_not.error()) && InStage() < 2 * verify.window)
          return false;
        if (why_not && !why_not->empty())
          return Append(EventKind::kReconsidered,
                        {{"why", "it did not help, and is not put back: " + *why_not}});
        return Append(EventKind::kUndoStarted,
                      {{"action", last.action.id}, {"why", std::string(ToString(*last.verdict))}});
      }
    }
  }
  const base::MonoTime now = core_.Now();
  const ObjectiveWatch& watch = core_.watch();
  const base::Duration elapsed = InStage();
  if (elapsed < verify.settle) return false;
  if (!watch.known()) {
    if (elapsed < 2 * verify.window) return false;
    return Conclude(Verdict::kBlind, "the objectives could not be read");
  }
  bool well = true;
  bool any_well = false;
  bool any_asked = false;  // of those that are not well yet
  bool others_well = true;
  // What was met before and is missed now, by the service acted on and by others.
  bool it_broke = false;
  bool others_broke = false;
  for (const Objective& one : last.before) {
    if (!one.well) {
      const bool healed = watch.WellFor(one.name, verify.hold, now);
      well = well && healed;
      any_well = any_well || healed;
      const Objective* present = watch.Find(one.name);
      any_asked = any_asked || (!healed && present != nullptr && !IsOldNews(*present));
      continue;
    }
    const Objective* present = watch.Find(one.name);
    others_well = others_well && present != nullptr && present->well;
    if (watch.BrokenFor(one.name, verify.harm, now))
      (one.service == last.action.service ? it_broke : others_broke) = true;
  }
  const std::string seen = Seen(last.before, watch);
  if (well && others_well) return Conclude(Verdict::kHelped, seen);
  if (it_broke && !well) return Conclude(Verdict::kHarmed, seen);
  // It did its part, and something else is wrong as well: the evidence tells what.
  if (well && others_broke && !it_broke) return Conclude(Verdict::kImproved, seen);
  // Where nobody has asked since, nobody can say; somebody may come yet.
  const bool nobody_asked = !well && !any_asked && !it_broke;
  if (nobody_asked && !others_broke && elapsed < 2 * verify.window) return false;
  // Of two causes at once the second is not waited on for as long as the first might take to go.
  const bool over = elapsed >= verify.window || (!it_broke && HasComeThrough(last.action));
  if (!over) return false;
  if (nobody_asked)
    return Conclude(any_well || others_broke ? Verdict::kImproved : Verdict::kBlind, seen);
  // What broke may be trouble of its own. The action is put back only when users were better off
  // without it.
  if (it_broke)
    return Conclude(well && NewlyBad(last.before, watch) < BadOf(last.before, nullptr)
                        ? Verdict::kHelped
                        : Verdict::kHarmed,
                    seen);
  const double bad_before = BadOf(last.before, nullptr);
  const double bad_now = BadOf(last.before, &watch);
  // Of two causes at once, taking one away leaves the other.
  if (any_well || (bad_before > 0 && bad_now < kClearlyBetter * bad_before))
    return Conclude(Verdict::kImproved, seen);
  return Conclude(Verdict::kNoHelp, seen);
}

bool Driver::Undo() {
  const Taken& last = record().taken.back();
  if (last.state == Taken::State::kUndoFailed)
    return Close(Stage::kEscalated,
                 fmt::format("{} could not be undone: {}", last.action.id, last.error));
  if (!MayTry(waiting_)) return false;
  const auto inverse = InverseOf(last.action);
  if (!inverse)
    return Append(EventKind::kUndoFailed,
                  {{"action", last.action.id}, {"error", "there is nothing to put back"}});
  spans_.Begin(record(), "undo");
  spans_.Note("enclave.action.id", inverse->id);
  const Carried carried = CarryOut(core_, record(), *inverse, true);
  if (!carried.error) {
    spans_.End();
    return Append(EventKind::kUndoDone, {{"action", inverse->id}});
  }
  spans_.Fail(carried.error->message());
  if (MayHaveHappened(*carried.error) && ++waiting_.tries < kMostTries) {
    waiting_.not_before = core_.Now() + kBetweenTries;
    return false;
  }
  return Append(EventKind::kUndoFailed,
                {{"action", inverse->id}, {"error", carried.error->message()}});
}

}  // namespace enclave::agent
