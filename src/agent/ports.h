// What the agent asks others for. The wiring joins these with the telemetry, the ranking engine and
// the memory; tests and the simulation with fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/alert_event.h"
#include "base/executor.h"
#include "base/result.h"
#include "incident/context.h"
#include "rca/diagnosis.h"

namespace enclave::agent {

struct EvidenceQuestion {
  std::string incident{};
  std::vector<AlertEvent> alerts{};  // the first opened it
  std::int64_t opened_ns = 0;
  std::int64_t now_ns = 0;
  // When the last incident before this one was over: what is older shows its trouble. 0: none was.
  std::int64_t calm_since_ns = 0;
  // When the last action of the incident that stands had come through: what was seen between the
  // opening and then may be of what it repaired. 0: none was taken.
  std::int64_t repaired_ns = 0;
};

// Freezes evidence and ranks causes. Both may take seconds: the answer comes as a task of the
// agent's executor, once or never (the agent stops waiting after the policy's evidence_timeout).
class Diagnoser {
 public:
  virtual ~Diagnoser() = default;
  virtual void Freeze(const EvidenceQuestion& question,
                      std::function<void(base::Result<incident::Context>)> done) = 0;
  virtual void Diagnose(const incident::Context& context,
                        std::function<void(base::Result<rca::Diagnosis>)> done) = 0;
};

// One promise to users, as it stands. All numbers over a window short enough that a repair shows
// within seconds.
struct Objective {
  std::string name{};     // "frontend availability"
  std::string service{};  // whose
  bool well = true;
  double bad_ratio = 0;    // of requests, in [0, 1]
  std::string sentence{};  // with its numbers
  // For how long nothing has been asked that could tell: so old is its last word. 0: it is of now.
  base::Duration unasked{};
};

struct Impact {
  double users = 0;  // requests that failed or were too slow
  double requests = 0;
  double budget_spent = 0;  // share of the period's error budget
};

// Answers at once or after a short bounded wait; called from the agent's executor.
class Objectives {
 public:
  virtual ~Objectives() = default;
  virtual base::Result<std::vector<Objective>> State(base::WallTime now) = 0;
  // What users felt between the two.
  virtual base::Result<Impact> Felt(std::int64_t from_ns, std::int64_t to_ns) = 0;
};

// What was done in an incident that looked alike.
struct Past {
  std::string incident{};
  double similarity = 0;  // 1: the same
  std::string service{};
  std::string cause{};
  std::string action{};  // kind of action; empty when none was taken
  bool helped = false;
};

struct Lesson {
  std::string incident{};
  std::string service{};
  std::string cause{};
  std::string action{};
  bool helped = false;
  bool by_person = false;  // said by one, who approved or rejected
  std::int64_t time_ns = 0;
};

class Memory {
 public:
  virtual ~Memory() = default;
  virtual std::vector<Past> Recall(const incident::Context& context) = 0;
  // What the incident looked like and what was concluded. Idempotent by the context's incident.
  virtual base::Result<> Remember(const std::string& incident, const incident::Context& context,
                                  const rca::Diagnosis& diagnosis) = 0;
  // How it ended. Idempotent.
  virtual base::Result<> Learn(const std::vector<Lesson>& lessons) = 0;
};

}  // namespace enclave::agent
