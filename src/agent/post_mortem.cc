#include "agent/post_mortem.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kube/time.h"

namespace enclave::agent {

using kube::At;
using kube::StringAt;

namespace {

std::string Time(std::int64_t time_ns) {
  std::string text = kube::FormatMicroTime(base::WallTime(base::Duration(time_ns)));
  return text.substr(0, 23) + "Z";  // milliseconds
}

std::string Span(std::int64_t from_ns, std::int64_t to_ns) {
  const double seconds = static_cast<double>(std::max<std::int64_t>(0, to_ns - from_ns)) / 1e9;
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.1f} min", seconds / 60);
}

// Text from outside on one line.
std::string OneLine(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

// The same, without what Markdown would take for its own.
std::string Plain(std::string_view text) {
  std::string out;
  for (const char c : OneLine(std::string(text))) {
    if (std::string_view("\\`*_[]<>|#").contains(c)) out += '\\';
    out += c;
  }
  return out;
}

// "1 request", "2 requests"
std::string Counted(double number, std::string_view what) {
  return fmt::format("{:.0f} {}{}", number, what, std::lround(number) == 1 ? "" : "s");
}

std::string WhyAt(const Event& event) {
  return OneLine(StringAt(event.body, "why"));
}

const rca::Hypothesis* Best(const Record& record) {
  return record.diagnosis && !record.diagnosis->ranking.empty() ? &record.diagnosis->ranking.front()
                                                                : nullptr;
}

std::string SummaryLine(const Record& record) {
  std::string text;
  const rca::Hypothesis* best = Best(record);
  if (record.outcome == Stage::kResolved && record.taken.empty())
    text = "It was over by itself, and nothing was touched.";
  else
    text = fmt::format("It ended {}: {}.", ToString(record.outcome), Plain(record.why));
  if (best != nullptr)
    text += fmt::format(" The likely cause: {} in {} (confidence {:.0f} %).",
                        rca::ToString(best->kind), Plain(best->service), best->confidence * 100);
  return text;
}

std::string ImpactSection(const Record& record, const std::optional<Impact>& impact) {
  std::string text = fmt::format("It lasted {}.", Span(record.opened_ns, record.closed_ns));
  if (!impact) return text + " What users felt could not be read.\n";
  text += fmt::format(" {:.0f} of {} failed or {} too slow", impact->users,
                      Counted(impact->requests, "request"),
                      std::lround(impact->users) == 1 ? "was" : "were");
  if (impact->requests > 0)
    text += fmt::format(" ({:.2f} %)", 100 * impact->users / impact->requests);
  return text + fmt::format("; {:.2f} % of the period's error budget was spent.\n",
                            impact->budget_spent * 100);
}

std::string CauseSection(const Record& record) {
  const rca::Hypothesis* best = Best(record);
  if (best == nullptr) return "No cause was found.\n";
  std::string text = fmt::format("{}\n", Plain(best->sentence));
  if (!best->component.empty()) text += fmt::format("\nWhere: {}\n", Plain(best->component));
  if (!best->path.empty()) {
    text += "\nFrom the cause to the symptom: ";
    for (std::size_t i = 0; i < best->path.size(); ++i)
      text += (i == 0 ? "" : " → ") + Plain(best->path[i]);
    text += "\n";
  }
  text += "\n";
  for (const rca::Cited& cited : best->evidence)
    text +=
        fmt::format("- [{}] {} ({:+.1f})\n", Plain(cited.id), Plain(cited.sentence), cited.weight);
  std::string others;
  for (std::size_t i = 1; i < record.diagnosis->ranking.size(); ++i) {
    const rca::Hypothesis& other = record.diagnosis->ranking[i];
    others += fmt::format("- {} in {}, {:.0f} %{}\n", rca::ToString(other.kind),
                          Plain(other.service), other.confidence * 100,
                          other.lost_because.empty() ? "" : ": " + Plain(other.lost_because));
  }
  if (!others.empty()) text += "\nAlso considered:\n\n" + others;
  if (record.digest && !record.digest->missing.empty()) {
    text += "\nEvidence that could not be had:\n\n";
    for (const std::string& missing : record.digest->missing)
      text += fmt::format("- {}\n", Plain(missing));
  }
  return text;
}

std::string_view StateOf(const Taken& taken) {
  switch (taken.state) {
    case Taken::State::kStarted:
      return "begun";
    case Taken::State::kDone:
      return "stands";
    case Taken::State::kFailed:
      return "failed, nothing was changed";
    case Taken::State::kUndoing:
      return "being undone";
    case Taken::State::kUndone:
      return "undone";
    case Taken::State::kUndoFailed:
      return "could not be undone";
  }
  return "";
}

std::string ActionSection(const Record& record) {
  std::string text;
  for (const Taken& taken : record.taken) {
    text += fmt::format("- `{}` {}: {} ({}", taken.action.id, ToString(taken.action.kind),
                        Plain(taken.action.reason), StateOf(taken));
    if (taken.verdict) text += fmt::format("; it {}", ToString(*taken.verdict));
    if (!taken.approved_by.empty()) text += "; approved by " + Plain(taken.approved_by);
    text += ")";
    if (!taken.seen.empty()) text += fmt::format(". {}", Plain(taken.seen));
    if (!taken.error.empty()) text += fmt::format(". {}", Plain(taken.error));
    text += "\n";
  }
  if (text.empty()) text = "Nothing was touched.\n";
  if (!record.skipped.empty()) {
    text += "\nConsidered and not done:\n\n";
    for (const Skipped& skipped : record.skipped)
      text += fmt::format("- {}: {}{}\n", Plain(skipped.action.reason), Plain(skipped.why),
                          skipped.by.empty() ? "" : " (" + Plain(skipped.by) + ")");
  }
  if (record.outcome == Stage::kEscalated && !record.not_planned.empty()) {
    text += "\nWhat the policy would have tried:\n\n";
    for (const std::string& line : record.not_planned) text += fmt::format("- {}\n", Plain(line));
  }
  return text;
}

// From what is known: the change that came before, and the time between cause and alert.
std::string EarlierSection(const Record& record) {
  std::string text;
  const rca::Hypothesis* best = Best(record);
  if (best != nullptr && best->onset_ns > 0 && !record.alerts.empty()) {
    std::int64_t alerted = record.opened_ns;
    for (const AlertEvent& alert : record.alerts) alerted = std::min(alerted, alert.time_ns);
    if (alerted > best->onset_ns)
      text += fmt::format(
          "- It showed in the evidence {} before the first alert: an alert on that "
          "evidence would have been earlier.\n",
          Span(best->onset_ns, alerted));
  }
  if (best != nullptr && record.digest)
    for (const incident::Change& change : record.digest->changes)
      if (change.service == best->service && change.time_ns <= record.opened_ns)
        text += fmt::format(
            "- {} was changed {} before ({}): a rollout that stops at the first "
            "bad pod, or a check of the change, would have caught it.\n",
            Plain(change.object), Span(change.time_ns, record.opened_ns), ToString(change.kind));
  if (best != nullptr) switch (best->kind) {
      case rca::CauseKind::kMemory:
      case rca::CauseKind::kCpu:
      case rca::CauseKind::kDisk:
        text += "- An alert on saturation, before the limit is reached.\n";
        break;
      case rca::CauseKind::kCrash:
      case rca::CauseKind::kDependencyDown:
        text +=
            "- A readiness probe that fails with what it needs, so that no request gets there.\n";
        break;
      case rca::CauseKind::kCertificate:
        text += "- An alert weeks before a certificate ends.\n";
        break;
      default:
        break;
    }
  if (text.empty()) text = "- Nothing in the evidence says so.\n";
  return text;
}

}  // namespace

std::string Describe(const Event& event) {
  switch (event.kind) {
    case EventKind::kOpened: {
      std::string names;
      for (const Json& alert : At(event.body, "alerts"))
        names += (names.empty() ? "" : ", ") + OneLine(StringAt(alert, "name"));
      return "opened by " + names;
    }
    case EventKind::kAlertJoined:
    case EventKind::kAlertResolved:
      return fmt::format("alert {} of {} {}", OneLine(StringAt(event.body, "alert.name")),
                         OneLine(StringAt(event.body, "alert.service")),
                         event.kind == EventKind::kAlertJoined ? "fires" : "is over");
    case EventKind::kContextFrozen:
      return "evidence frozen";
    case EventKind::kDiagnosed:
      return "diagnosed: " + OneLine(StringAt(event.body, "diagnosis.summary"));
    case EventKind::kPlanned:
      return "planned: " +
             Counted(static_cast<double>(At(event.body, "candidates").size()), "candidate");
    case EventKind::kRefused:
      return "not done: " + WhyAt(event);
    case EventKind::kApprovalAsked:
      return "waits for approval of " + OneLine(StringAt(event.body, "action"));
    case EventKind::kApproved:
      return "approved by " + OneLine(StringAt(event.body, "by"));
    case EventKind::kRejected:
      return fmt::format("rejected by {}: {}", OneLine(StringAt(event.body, "by")), WhyAt(event));
    case EventKind::kActionStarted:
      return fmt::format("acts: {} ({})", OneLine(StringAt(event.body, "action.reason")),
                         OneLine(StringAt(event.body, "action.id")));
    case EventKind::kActionDone:
      return "done";
    case EventKind::kActionFailed:
      return "failed: " + OneLine(StringAt(event.body, "error"));
    case EventKind::kVerified:
      return fmt::format("verified: it {}. {}", StringAt(event.body, "verdict"),
                         OneLine(StringAt(event.body, "seen")));
    case EventKind::kReconsidered:
      return "looks again: " + WhyAt(event);
    case EventKind::kUndoStarted:
      return "undoes it: " + WhyAt(event);
    case EventKind::kUndoDone:
      return "undone";
    case EventKind::kUndoFailed:
      return "could not undo it: " + OneLine(StringAt(event.body, "error"));
    case EventKind::kClosed:
      return fmt::format("{}: {}", StringAt(event.body, "outcome"), WhyAt(event));
    case EventKind::kLearned: {
      if (const std::string problem = OneLine(StringAt(event.body, "problem")); !problem.empty())
        return "could not be remembered: " + problem;
      const Json& felt = At(event.body, "impact");
      if (!felt.is_object()) return "remembered";
      return fmt::format("remembered; {:.0f} of {} of users failed or came late",
                         felt.value("users", 0.0), Counted(felt.value("requests", 0.0), "request"));
    }
    case EventKind::kModeSet:
      return "";
  }
  return "";
}

std::string PostMortem(const Record& record, const std::vector<Event>& events,
                       const std::optional<Impact>& impact) {
  std::string services;
  for (const std::string& service : record.services)
    services += (services.empty() ? "" : ", ") + Plain(service);
  std::string text = fmt::format("# {} {}\n\n", record.id, services);
  text += fmt::format("Trace: {}\n\n", record.trace ? record.trace->ToString() : "none");
  text += "## Summary\n\n" + SummaryLine(record) + "\n\n";
  text += "## Impact\n\n" + ImpactSection(record, impact) + "\n";
  text += "## Timeline\n\n";
  for (const Event& event : events)
    if (const std::string line = Describe(event); !line.empty())
      text += fmt::format("- {} {}\n", Time(event.time_ns), Plain(line));
  text += "\n## Cause\n\n" + CauseSection(record);
  text += "\n## Action\n\n" + ActionSection(record);
  text += "\n## What would have caught it earlier\n\n" + EarlierSection(record);
  return text;
}

}  // namespace enclave::agent
