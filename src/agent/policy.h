// What the agent may do and in which order it tries things: a file that people write, review and
// sign off (docs/formats/policy.md), not code.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/action.h"
#include "agent/objective_policy.h"
#include "base/executor.h"
#include "base/result.h"
#include "incident/context.h"
#include "rca/diagnosis.h"

namespace enclave::agent {

enum class Mode : std::uint8_t { kAutonomous, kHuman };
std::string_view ToString(Mode mode);  // "autonomous", "human"
std::optional<Mode> ModeFromString(std::string_view text);

// One thing to try.
struct Attempt {
  ActionKind kind = ActionKind::kEscalate;
  bool needs_approval = false;
  double factor = 2;             // of scale and raise_limit: times what is there
  std::uint64_t most = 0;        // of scale: pods at most
  std::uint64_t most_bytes = 0;  // of raise_limit: memory at most
  std::string resource{};        // of raise_limit: "memory" or "cpu"
};

// When a hypothesis is of one of `causes` and every other condition that is given holds, `attempts`
// are what may help, the first first.
struct Rule {
  std::string name{};
  std::set<rca::CauseKind> causes{};         // empty: any
  std::set<incident::ChangeKind> changes{};  // one of them, of the service, lately; empty: any
  std::set<std::string> reasons{};           // of Kubernetes, for the service; empty: any
  base::Duration within = std::chrono::minutes(30);  // how late a change counts
  double min_confidence = 0;
  std::vector<Attempt> attempts{};
};

struct GuardrailPolicy {
  double max_share_of_pods = 0.34;                    // of a namespace's, by one action
  std::uint64_t max_at_once = 1;                      // actions under way, over all incidents
  double min_available = 0.5;                         // of a workload's desired pods, kept ready
  base::Duration cooldown = std::chrono::minutes(2);  // between two actions on one workload
  std::uint64_t per_hour = 20;
  std::uint64_t per_incident = 4;
  double min_confidence = 0.1;
  base::Duration patience = std::chrono::minutes(5);  // how long an action waits to be allowed
};

struct VerifyPolicy {
  base::Duration settle = std::chrono::seconds(5);   // after an action, before looking
  base::Duration every = std::chrono::seconds(2);    // between two looks
  base::Duration hold = std::chrono::seconds(10);    // well for so long is well
  base::Duration window = std::chrono::seconds(90);  // to get there
  // What was well and is missed for so long after an action was harmed by it; shorter is the noise
  // of pods that come and go.
  base::Duration harm = std::chrono::seconds(20);
};

struct GroupingPolicy {
  base::Duration window = std::chrono::minutes(5);   // between alerts of one incident
  std::uint64_t hops = 2;                            // between their services
  base::Duration linger = std::chrono::minutes(10);  // late alerts belong to what was closed
  std::uint64_t max_open = 16;                       // incidents
  std::uint64_t max_alerts = 256;                    // of one incident
  // Values of an alert's label "severity" that join incidents and open none.
  std::set<std::string> quiet = {"ticket", "info", "none"};
};

struct Policy {
  std::set<std::string> namespaces{};
  std::set<ActionKind> allowed{};
  Mode mode = Mode::kAutonomous;  // until somebody chose another
  GuardrailPolicy guardrail{};
  VerifyPolicy verify{};
  ObjectivesPolicy objectives{};
  GroupingPolicy grouping{};
  base::Duration approval_timeout = std::chrono::minutes(30);
  // An objective that is missed for so long is an alert, whoever else says so or not.
  base::Duration notice = std::chrono::seconds(2);
  // An alert that no objective bears out is watched so long, then handed to people.
  base::Duration observe = std::chrono::minutes(10);
  base::Duration evidence_timeout = std::chrono::seconds(30);  // to freeze and to rank
  // How often evidence may be taken, anew after each action, until one cause is plain enough to act
  // on; then it is for people. Trouble that has just begun shows little.
  std::uint64_t looks = 3;
  std::vector<Rule> rules{};
};

// "FILE:LINE: what is wrong and what to write instead", kInvalidArgument.
base::Result<Policy> ParsePolicy(std::string_view text, std::string_view file);
base::Result<Policy> LoadPolicy(const std::string& path);

std::string_view ToString(incident::ChangeKind kind);  // "rollout", "configuration", ...

}  // namespace enclave::agent
