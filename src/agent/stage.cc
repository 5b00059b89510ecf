#include "agent/stage.h"

#include <array>
#include <utility>

namespace enclave::agent {

namespace {

constexpr std::array<std::pair<Stage, std::string_view>, 13> kStages = {{
    {Stage::kNone, "none"},
    {Stage::kDetected, "detected"},
    {Stage::kContext, "context"},
    {Stage::kDiagnosed, "diagnosed"},
    {Stage::kPlanned, "planned"},
    {Stage::kAwaitingApproval, "awaiting approval"},
    {Stage::kActing, "acting"},
    {Stage::kVerifying, "verifying"},
    {Stage::kUndoing, "undoing"},
    {Stage::kResolved, "resolved"},
    {Stage::kRolledBack, "rolled back"},
    {Stage::kEscalated, "escalated"},
    {Stage::kLearned, "learned"},
}};

constexpr std::array<std::pair<EventKind, std::string_view>, 21> kEvents = {{
    {EventKind::kOpened, "opened"},
    {EventKind::kAlertJoined, "alert_joined"},
    {EventKind::kAlertResolved, "alert_resolved"},
    {EventKind::kContextFrozen, "context_frozen"},
    {EventKind::kDiagnosed, "diagnosed"},
    {EventKind::kPlanned, "planned"},
    {EventKind::kRefused, "refused"},
    {EventKind::kApprovalAsked, "approval_asked"},
    {EventKind::kApproved, "approved"},
    {EventKind::kRejected, "rejected"},
    {EventKind::kActionStarted, "action_started"},
    {EventKind::kActionDone, "action_done"},
    {EventKind::kActionFailed, "action_failed"},
    {EventKind::kVerified, "verified"},
    {EventKind::kReconsidered, "reconsidered"},
    {EventKind::kUndoStarted, "undo_started"},
    {EventKind::kUndoDone, "undo_done"},
    {EventKind::kUndoFailed, "undo_failed"},
    {EventKind::kClosed, "closed"},
    {EventKind::kLearned, "learned"},
    {EventKind::kModeSet, "mode_set"},
}};

struct Line {
  EventKind event;
  Stage from;
  Stage to;
};

constexpr std::array<Line, 19> kTable = {{
    {EventKind::kOpened, Stage::kNone, Stage::kDetected},
    {EventKind::kContextFrozen, Stage::kDetected, Stage::kContext},
    {EventKind::kContextFrozen, Stage::kContext, Stage::kContext},
    {EventKind::kDiagnosed, Stage::kContext, Stage::kDiagnosed},
    {EventKind::kPlanned, Stage::kDiagnosed, Stage::kPlanned},
    {EventKind::kRefused, Stage::kPlanned, Stage::kPlanned},
    {EventKind::kApprovalAsked, Stage::kPlanned, Stage::kAwaitingApproval},
    {EventKind::kApproved, Stage::kAwaitingApproval, Stage::kPlanned},
    {EventKind::kRejected, Stage::kAwaitingApproval, Stage::kPlanned},
    {EventKind::kActionStarted, Stage::kPlanned, Stage::kActing},
    {EventKind::kActionDone, Stage::kActing, Stage::kVerifying},
    {EventKind::kActionFailed, Stage::kActing, Stage::kPlanned},
    {EventKind::kVerified, Stage::kVerifying, Stage::kVerifying},
    {EventKind::kReconsidered, Stage::kVerifying, Stage::kDetected},
    {EventKind::kReconsidered, Stage::kPlanned, Stage::kDetected},
    {EventKind::kUndoStarted, Stage::kActing, Stage::kUndoing},
    {EventKind::kUndoStarted, Stage::kVerifying, Stage::kUndoing},
    {EventKind::kUndoDone, Stage::kUndoing, Stage::kDetected},
    {EventKind::kUndoFailed, Stage::kUndoing, Stage::kUndoing},
}};

}  // namespace

std::string_view ToString(Stage stage) {
  for (const auto& [known, name] : kStages)
    if (known == stage) return name;
  return "none";
}

std::optional<Stage> StageFromString(std::string_view name) {
  for (const auto& [stage, known] : kStages)
    if (known == name) return stage;
  return std::nullopt;
}

std::string_view ToString(EventKind kind) {
  for (const auto& [known, name] : kEvents)
    if (known == kind) return name;
  return "unknown";
}

std::optional<EventKind> EventKindFromString(std::string_view name) {
  for (const auto& [kind, known] : kEvents)
    if (known == name) return kind;
  return std::nullopt;
}

bool IsOver(Stage stage) {
  return stage == Stage::kResolved || stage == Stage::kRolledBack || stage == Stage::kEscalated ||
         stage == Stage::kLearned;
}

std::optional<Stage> After(Stage stage, EventKind event, Stage outcome) {
  switch (event) {
    case EventKind::kAlertJoined:
    case EventKind::kAlertResolved:
      return stage == Stage::kNone ? std::nullopt : std::optional(stage);
    case EventKind::kClosed:
      if (stage == Stage::kNone || stage == Stage::kActing || IsOver(stage)) return std::nullopt;
      if (outcome == Stage::kLearned || !IsOver(outcome)) return std::nullopt;
      return outcome;
    case EventKind::kLearned:
      if (!IsOver(stage) || stage == Stage::kLearned) return std::nullopt;
      return Stage::kLearned;
    default:
      for (const Line& line : kTable)
        if (line.event == event && line.from == stage) return line.to;
      return std::nullopt;
  }
}

}  // namespace enclave::agent
