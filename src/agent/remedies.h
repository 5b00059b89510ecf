// How each kind of action is made concrete for one workload: which fields of which objects, from
// what to what. Reads the cluster, changes nothing.
#pragma once

#include <string>
#include <vector>

#include "agent/action.h"
#include "agent/object_history.h"
#include "agent/policy.h"
#include "base/result.h"
#include "kube/api.h"

namespace enclave::agent {

struct RemedyInput {
  kube::Api& api;
  const ObjectHistory* history = nullptr;  // may be null
  kube::ObjectPtr deployment{};
  const Attempt& attempt;
  base::Duration within{};     // how late a change is a suspect
  std::int64_t opened_ns = 0;  // the incident
  std::int64_t now_ns = 0;
};

// The ways to carry out the attempt, best first; each has kind, ns, workload, steps and reason.
// kNotFound, with a sentence, when there is none; kUnavailable when the cluster cannot be read.
base::Result<std::vector<Action>> Remedies(const RemedyInput& input);

}  // namespace enclave::agent
