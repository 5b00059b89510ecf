// What is known of an incident: the fold of its events, and nothing else.
//
// Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/alert_event.h"
#include "agent/ledger.h"
#include "agent/ports.h"
#include "agent/stage.h"

namespace enclave::agent {

// Of a frozen context, what plans and reports need; small enough for the ledger.
struct Digest {
  std::string id{};
  std::vector<incident::Change> changes{};
  std::vector<incident::KubernetesFact> facts{};
  std::vector<incident::Call> topology{};
  std::vector<std::string> missing{};
  std::map<std::string, std::uint64_t> items{};  // by kind
  std::vector<trace::TraceId> traces{};          // of requests that show it, the best first
};
Digest DigestOf(const incident::Context& context);
Json ToJson(const Digest& digest);
Digest DigestFromJson(const Json& json);

Json ToJson(
    const rca::Diagnosis& diagnosis);  // the first few hypotheses, each with its best evidence
rca::Diagnosis DiagnosisFromJson(const Json& json);

Json ToJson(const std::vector<Objective>& objectives);
std::vector<Objective> ObjectivesFromJson(const Json& json);

enum class Verdict : std::uint8_t {
  kHelped,    // what was broken is well, and nothing else broke
  kImproved,  // clearly better, not yet well: it stands, and there is more to find
  kNoHelp,
  kHarmed,  // something else broke
  kBlind,   // the objectives could not be read
};
std::string_view ToString(Verdict verdict);

// An action that was begun.
struct Taken {
  enum class State : std::uint8_t { kStarted, kDone, kFailed, kUndoing, kUndone, kUndoFailed };
  Action action{};
  State state = State::kStarted;
  std::int64_t started_ns = 0;
  std::int64_t done_ns = 0;
  std::int64_t undone_ns = 0;
  std::vector<Objective> before{};  // when it began
  std::string error{};
  std::optional<Verdict> verdict{};
  std::string seen{};  // at the verdict, a sentence
  std::string approved_by{};
  // Whether what it changed is there now.
  bool stands() const {
    return state == State::kStarted || state == State::kDone || state == State::kUndoFailed;
  }
};

struct Skipped {
  Action action{};
  std::string why{};
  std::string by{};  // a person who rejected it; empty: the guardrail, or the cluster
};

struct Record {
  std::string id{};
  Stage stage = Stage::kNone;
  Stage outcome = Stage::kNone;
  std::string why{};  // of the outcome, a sentence
  std::int64_t opened_ns = 0;
  std::int64_t closed_ns = 0;
  std::int64_t stage_ns = 0;  // when this stage was reached
  std::int64_t last_alert_ns = 0;
  std::vector<AlertEvent> alerts{};     // by fingerprint, the newest news of each
  std::vector<std::string> services{};  // of the alerts
  std::optional<trace::TraceId> trace{};
  std::optional<Digest> digest{};
  std::optional<rca::Diagnosis> diagnosis{};
  std::vector<Action> candidates{};
  std::vector<std::string> not_planned{};  // what the policy would try and why it cannot
  std::size_t next = 0;                    // of the candidates
  std::string approved_by{};               // of the next candidate
  std::size_t planned = 0;                 // actions that were given an id
  std::size_t contexts = 0;                // frozen
  std::uint64_t news = 0;                  // of alerts
  std::vector<Taken> taken{};
  std::vector<Skipped> skipped{};

  bool open() const { return !IsOver(stage); }
  bool AnyFiring() const;
  const Action* Candidate() const { return next < candidates.size() ? &candidates[next] : nullptr; }
  const Taken* Last() const { return taken.empty() ? nullptr : &taken.back(); }
  bool AnythingStands() const;
};

// kInternal when the table of stages has no line for it: the ledger is damaged.
base::Result<> Apply(const Event& event, Record* record);

}  // namespace enclave::agent
