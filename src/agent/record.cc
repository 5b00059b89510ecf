#include "agent/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::StringAt;

namespace {

constexpr std::array<std::pair<Verdict, std::string_view>, 5> kVerdicts = {{
    {Verdict::kHelped, "helped"},
    {Verdict::kImproved, "improved"},
    {Verdict::kNoHelp, "did not help"},
    {Verdict::kHarmed, "harmed"},
    {Verdict::kBlind, "could not be seen"},
}};

std::optional<Verdict> VerdictFromString(std::string_view text) {
  for (const auto& [verdict, name] : kVerdicts)
    if (name == text) return verdict;
  return std::nullopt;
}

void TakeAlert(const AlertEvent& alert, Record* record) {
  const auto known = std::ranges::find_if(record->alerts, [&](const AlertEvent& other) {
    return other.name == alert.name && other.labels == alert.labels;
  });
  if (known != record->alerts.end())
    *known = alert;
  else
    record->alerts.push_back(alert);
  if (alert.firing) record->last_alert_ns = std::max(record->last_alert_ns, alert.time_ns);
  if (!alert.service.empty() &&
      std::ranges::find(record->services, alert.service) == record->services.end())
    record->services.push_back(alert.service);
  if (!record->trace) record->trace = alert.trace;
}

Result<> TakePlan(const Json& body, Record* record) {
  record->candidates.clear();
  record->next = 0;
  for (const Json& one : At(body, "candidates")) {
    ASSIGN_OR_RETURN(Action action, ActionFromJson(one));
    record->candidates.push_back(std::move(action));
  }
  record->planned += record->candidates.size();
  record->not_planned.clear();
  for (const Json& one : At(body, "notPlanned"))
    if (one.is_string()) record->not_planned.push_back(one.get<std::string>());
  record->approved_by.clear();
  return {};
}

// The next candidate will not be taken.
void Skip(const Json& body, Record* record) {
  if (const Action* candidate = record->Candidate()) {
    record->skipped.push_back({*candidate, StringAt(body, "why"), StringAt(body, "by")});
    ++record->next;
  }
  record->approved_by.clear();
}

// `last` is the action begun last; null when there is none, which only a damaged ledger shows.
Result<> TakeProgress(const Event& event, Record* record) {
  if (record->taken.empty())
    return Fail(ErrorKind::kInternal,
                fmt::format("event {} of the ledger speaks of an action that was never begun",
                            event.sequence));
  Taken& last = record->taken.back();
  switch (event.kind) {
    case EventKind::kActionDone:
      last.state = Taken::State::kDone;
      last.done_ns = event.time_ns;
      break;
    case EventKind::kActionFailed:
      last.state = Taken::State::kFailed;
      last.error = StringAt(event.body, "error");
      break;
    case EventKind::kVerified:
      last.verdict = VerdictFromString(StringAt(event.body, "verdict"));
      last.seen = StringAt(event.body, "seen");
      break;
    case EventKind::kUndoStarted:
      last.state = Taken::State::kUndoing;
      last.error = StringAt(event.body, "why");
      break;
    case EventKind::kUndoDone:
      last.state = Taken::State::kUndone;
      last.undone_ns = event.time_ns;
      break;
    case EventKind::kUndoFailed:
      last.state = Taken::State::kUndoFailed;
      last.error = StringAt(event.body, "error");
      break;
    default:
      break;
  }
  return {};
}

}  // namespace

std::string_view ToString(Verdict verdict) {
  for (const auto& [known, name] : kVerdicts)
    if (known == verdict) return name;
  return "unknown";
}

bool Record::AnyFiring() const {
  return std::ranges::any_of(alerts, &AlertEvent::firing);
}

bool Record::AnythingStands() const {
  return std::ranges::any_of(taken, &Taken::stands);
}

Result<> Apply(const Event& event, Record* record) {
  const auto outcome = StageFromString(StringAt(event.body, "outcome"));
  const auto next = After(record->stage, event.kind, outcome.value_or(Stage::kNone));
  if (!next)
    return Fail(
        ErrorKind::kInternal,
        fmt::format("event {} of the ledger, {}, cannot follow the stage {} of {}", event.sequence,
                    ToString(event.kind), ToString(record->stage), event.incident));
  if (*next != record->stage) record->stage_ns = event.time_ns;
  switch (event.kind) {
    case EventKind::kOpened:
      record->id = event.incident;
      record->opened_ns = event.time_ns;
      for (const Json& one : At(event.body, "alerts")) TakeAlert(AlertFromJson(one), record);
      break;
    case EventKind::kAlertJoined:
    case EventKind::kAlertResolved:
      ++record->news;
      TakeAlert(AlertFromJson(At(event.body, "alert")), record);
      break;
    case EventKind::kContextFrozen:
      ++record->contexts;
      record->digest = DigestFromJson(At(event.body, "context"));
      if (!record->trace) record->trace = trace::TraceId::Parse(StringAt(event.body, "trace"));
      break;
    case EventKind::kDiagnosed:
      record->diagnosis = DiagnosisFromJson(At(event.body, "diagnosis"));
      break;
    case EventKind::kPlanned:
      RETURN_IF_ERROR(TakePlan(event.body, record));
      break;
    case EventKind::kRefused:
    case EventKind::kRejected:
      Skip(event.body, record);
      record->stage_ns = event.time_ns;
      break;
    case EventKind::kApproved:
      record->approved_by = StringAt(event.body, "by");
      break;
    case EventKind::kActionStarted: {
      ASSIGN_OR_RETURN(Action action, ActionFromJson(At(event.body, "action")));
      record->taken.push_back({.action = std::move(action),
                               .started_ns = event.time_ns,
                               .before = ObjectivesFromJson(At(event.body, "before")),
                               .approved_by = record->approved_by});
      ++record->next;
      record->approved_by.clear();
      break;
    }
    case EventKind::kActionDone:
    case EventKind::kActionFailed:
    case EventKind::kVerified:
    case EventKind::kUndoStarted:
    case EventKind::kUndoDone:
    case EventKind::kUndoFailed:
      RETURN_IF_ERROR(TakeProgress(event, record));
      break;
    case EventKind::kClosed:
      record->outcome = *next;
      record->why = StringAt(event.body, "why");
      record->closed_ns = event.time_ns;
      break;
    case EventKind::kApprovalAsked:
    case EventKind::kReconsidered:
    case EventKind::kLearned:
    case EventKind::kModeSet:
      break;
  }
  record->stage = *next;
  return {};
}

}  // namespace enclave::agent
