// Drives one incident: looks at its stage and does what is next. Everything that has to survive is
// in the record; what is here may be lost at any instant, and a new driver goes on from the record.
//
// Threading: one executor.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/core.h"
#include "agent/grouping.h"
#include "agent/incident_spans.h"
#include "agent/planner.h"

namespace enclave::agent {

class Driver {
 public:
  Driver(AgentCore& core, const Neighbourhood& neighbourhood, std::string incident);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Does what can be done now; called after every event and every reading of the objectives.
  void Step();
  bool finished() const { return finished_; }  // learned: nothing is left to do

 private:
  // One thing that is waited for, with its tries. A question counts up, so that an answer to an
  // earlier one is told from this one's.
  struct Waiting {
    bool asked = false;
    std::uint64_t question = 0;
    base::MonoTime asked_at{};
    int tries = 0;
    base::MonoTime not_before{};
    std::string last_error{};
  };

  // Each returns whether the stage may have changed, so that the next step follows at once.
  bool StepOnce();
  std::int64_t CalmSince() const;
  std::int64_t RepairedAt() const;
  bool Freeze();
  bool Diagnose();
  bool MakePlan();
  bool Consider();                         // the next candidate
  bool LookAgain(const std::string& why);  // there is none
  bool AwaitApproval();
  bool Act();
  bool Verify();
  bool Undo();
  bool Learn();

  bool BeginAction(const Action& action);
  bool DryRunPasses(const Action& action, bool* wait, std::string* why);
  bool Conclude(Verdict verdict, const std::string& seen);
  // Whether the workload has had all its pods for so long that more waiting would show no more.
  bool HasComeThrough(const Action& action);
  // Why what did not help is not put back; empty: it may be.
  base::Result<std::string> WhyNotUndone(const Action& inverse);
  // Closes the incident when there is nothing (any more) to repair.
  bool CloseIfCalm();
  bool Close(Stage outcome, std::string why);  // by value: the record may be its owner
  bool Append(EventKind kind, Json body);
  bool Refuse(const std::string& why);
  // A try failed: whether another follows.
  bool TryAgain(Waiting* waiting, const std::string& error);
  bool MayTry(const Waiting& waiting) const;
  void EnterStage();
  base::Duration InStage() const;  // since this stage was reached, on the monotonic clock
  std::vector<const Objective*> Related() const;
  // Since when the first of the related objectives is missed; nullopt: all are met.
  std::optional<base::MonoTime> BrokenSince() const;
  bool AllWell() const;  // held long enough
  // Its last word is of requests from before the last repair had come through.
  bool IsOldNews(const Objective& one) const;

  const Record& record() const { return *record_; }
  const Policy& policy() const { return core_.policy(); }

  AgentCore& core_;
  const Neighbourhood& neighbourhood_;
  const std::string incident_;
  RecordPtr record_;
  IncidentSpans spans_;
  bool finished_ = false;

  Stage seen_stage_ = Stage::kNone;
  std::int64_t seen_stage_ns_ = 0;
  base::MonoTime entered_{};
  std::optional<base::MonoTime> quiet_since_{};  // no alert fires
  std::optional<base::MonoTime> frozen_at_{};
  // Since when the workload acted on has all its pods, and when that was last looked at.
  std::optional<base::MonoTime> through_since_{};
  std::optional<base::MonoTime> through_read_{};
  std::optional<incident::Context> context_{};  // frozen by this process
  Waiting waiting_;
  // Answers that come after this is gone, or for a question that was given up, find nobody.
  std::shared_ptr<Driver*> self_;
};

}  // namespace enclave::agent
