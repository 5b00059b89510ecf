// From a diagnosis and the policy to concrete actions, in the order in which they are tried.
//
// For each hypothesis, best first, the first rule of the policy whose conditions hold gives what to
// try; each attempt is turned into the fields of the objects it would change, as they stand now.
// What cannot be done (no former revision, nothing that differs) is left out, with the reason. What
// was tried in this incident is not tried again; what did not help in incidents that looked alike
// comes after what was not tried there.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/object_history.h"
#include "agent/policy.h"
#include "agent/ports.h"
#include "agent/record.h"
#include "kube/api.h"

namespace enclave::agent {

struct PlanQuestion {
  std::string incident{};
  Digest digest{};
  rca::Diagnosis diagnosis{};
  std::vector<Past> past{};
  std::set<std::string> tried{};  // signatures
  std::size_t first_number = 1;   // ids are INCIDENT-aNUMBER
  std::int64_t opened_ns = 0;
  std::int64_t now_ns = 0;
};

struct PlanAnswer {
  std::vector<Action> candidates{};
  std::vector<std::string> not_planned{};  // what a rule would try, and why it cannot be done
};

inline constexpr std::size_t kMostCandidates = 12;
inline constexpr std::size_t kMostPlannedHypotheses = 4;

class Planner {
 public:
  // All outlive the planner; `history` may be null.
  Planner(const Policy& policy, kube::Api& api, const ObjectHistory* history)
      : policy_(policy), api_(api), history_(history) {}

  // An error when the cluster cannot be read.
  base::Result<PlanAnswer> Plan(const PlanQuestion& question) const;

 private:
  const Policy& policy_;
  kube::Api& api_;
  const ObjectHistory* history_;
};

// The rule that decides for a hypothesis; null when none does.
const Rule* RuleFor(const Policy& policy, const rca::Hypothesis& hypothesis, const Digest& digest,
                    std::int64_t opened_ns);

}  // namespace enclave::agent
