// The life of an incident as a table. A stage is never stored: it is what the events of the ledger
// add up to, so a crash at any instant leaves it as clear as before.
//
//   event          | from                                  | to
//   ---------------+---------------------------------------+-------------------------------------
//   opened         | (nothing)                             | detected
//   alert_joined   | any                                   | the same
//   alert_resolved | any                                   | the same
//   context_frozen | detected, context                     | context
//   diagnosed      | context                               | diagnosed
//   planned        | diagnosed                             | planned
//   refused        | planned                               | planned: the next candidate
//   approval_asked | planned                               | awaiting approval
//   approved       | awaiting approval                     | planned: the guardrail looks again
//   rejected       | awaiting approval                     | planned: the next candidate
//   action_started | planned                               | acting
//   action_done    | acting                                | verifying
//   action_failed  | acting, nothing was changed           | planned: the next candidate
//   verified       | verifying                             | verifying, with a verdict
//   reconsidered   | verifying, the action stands; planned | detected: new evidence
//   undo_started   | acting, verifying                     | undoing
//   undo_done      | undoing                               | detected: new evidence
//   undo_failed    | undoing                               | undoing, to be closed
//   closed         | any but acting                        | resolved, rolled back or escalated
//   learned        | resolved, rolled back, escalated      | learned
//
// Resolved: objectives are met, and what the agent did (if anything) stands. Rolled back: they are
// met, and all that the agent did is undone. Escalated: people were asked.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace enclave::agent {

enum class Stage : std::uint8_t {
  kNone,
  kDetected,
  kContext,
  kDiagnosed,
  kPlanned,
  kAwaitingApproval,
  kActing,
  kVerifying,
  kUndoing,
  kResolved,
  kRolledBack,
  kEscalated,
  kLearned,
};

enum class EventKind : std::uint8_t {
  kOpened,
  kAlertJoined,
  kAlertResolved,
  kContextFrozen,
  kDiagnosed,
  kPlanned,
  kRefused,
  kApprovalAsked,
  kApproved,
  kRejected,
  kActionStarted,
  kActionDone,
  kActionFailed,
  kVerified,
  kReconsidered,
  kUndoStarted,
  kUndoDone,
  kUndoFailed,
  kClosed,
  kLearned,
  kModeSet,  // of the enclave, not of an incident
};

std::string_view ToString(Stage stage);
std::string_view ToString(EventKind kind);
std::optional<EventKind> EventKindFromString(std::string_view name);
std::optional<Stage> StageFromString(std::string_view name);

bool IsOver(Stage stage);  // resolved, rolled back, escalated or learned

// The stage after `event`; of `closed` the `outcome`. nullopt: the table has no such line.
std::optional<Stage> After(Stage stage, EventKind event, Stage outcome = Stage::kNone);

}  // namespace enclave::agent
