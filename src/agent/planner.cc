#include "agent/planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/remedies.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

// How alike an incident has to look for its outcome to count.
constexpr double kAlike = 0.8;

bool ChangedLately(const Rule& rule, const rca::Hypothesis& hypothesis, const Digest& digest,
                   std::int64_t opened_ns) {
  return std::ranges::any_of(digest.changes, [&](const incident::Change& change) {
    return change.service == hypothesis.service && rule.changes.contains(change.kind) &&
           change.who != "agent" && opened_ns - change.time_ns <= rule.within.count();
  });
}

bool HasReason(const Rule& rule, const rca::Hypothesis& hypothesis, const Digest& digest) {
  return std::ranges::any_of(digest.facts, [&](const incident::KubernetesFact& fact) {
    return fact.service == hypothesis.service && rule.reasons.contains(fact.reason);
  });
}

// The Deployment of a service: the one of its name, else the one whose pods are labelled so.
Result<ObjectPtr> DeploymentOf(const std::vector<ObjectPtr>& deployments,
                               const std::string& service) {
  const std::string name = service.substr(service.rfind('/') + 1);
  for (const ObjectPtr& deployment : deployments)
    if (deployment->name() == name) return deployment;
  for (const char* label : {"app", "app.kubernetes.io/name"})
    for (const ObjectPtr& deployment : deployments) {
      const Json& labels = At(deployment->json(), "spec.template.metadata.labels");
      const auto found = labels.is_object() ? labels.find(label) : labels.end();
      if (labels.is_object() && found != labels.end() && *found == name) return deployment;
    }
  return Fail(ErrorKind::kNotFound,
              fmt::format("no Deployment in the policy's namespaces is {}", service));
}

bool FailedBefore(const Action& action, const std::vector<Past>& past) {
  bool failed = false;
  for (const Past& one : past) {
    if (one.similarity < kAlike || one.service != action.service ||
        one.action != ToString(action.kind))
      continue;
    if (one.helped) return false;
    failed = true;
  }
  return failed;
}

}  // namespace

const Rule* RuleFor(const Policy& policy, const rca::Hypothesis& hypothesis, const Digest& digest,
                    std::int64_t opened_ns) {
  for (const Rule& rule : policy.rules) {
    if (!rule.causes.empty() && !rule.causes.contains(hypothesis.kind)) continue;
    if (hypothesis.confidence < rule.min_confidence) continue;
    if (!rule.changes.empty() && !ChangedLately(rule, hypothesis, digest, opened_ns)) continue;
    if (!rule.reasons.empty() && !HasReason(rule, hypothesis, digest)) continue;
    return &rule;
  }
  return nullptr;
}

Result<PlanAnswer> Planner::Plan(const PlanQuestion& question) const {
  std::vector<ObjectPtr> deployments;
  for (const std::string& ns : policy_.namespaces) {
    ASSIGN_OR_RETURN(const kube::ObjectList list, api_.List(kube::kDeployment, {.ns = ns}));
    deployments.insert(deployments.end(), list.items.begin(), list.items.end());
  }
  PlanAnswer answer;
  std::set<std::string> planned = question.tried;
  std::size_t number = question.first_number;
  std::size_t considered = 0;
  for (const rca::Hypothesis& hypothesis : question.diagnosis.ranking) {
    if (++considered > kMostPlannedHypotheses) break;
    if (hypothesis.confidence < policy_.guardrail.min_confidence) {
      answer.not_planned.push_back(fmt::format("{}: a confidence of {:.2f} is too little to act on",
                                               hypothesis.service, hypothesis.confidence));
      continue;
    }
    const Rule* rule = RuleFor(policy_, hypothesis, question.digest, question.opened_ns);
    if (rule == nullptr) {
      answer.not_planned.push_back(
          fmt::format("{}: no rule is for {}", hypothesis.service, rca::ToString(hypothesis.kind)));
      continue;
    }
    const auto deployment = DeploymentOf(deployments, hypothesis.service);
    if (!deployment) {
      answer.not_planned.push_back(deployment.error().message());
      continue;
    }
    for (const Attempt& attempt : rule->attempts) {
      auto remedies = Remedies({.api = api_,
                                .history = history_,
                                .deployment = *deployment,
                                .attempt = attempt,
                                .within = rule->within,
                                .opened_ns = question.opened_ns,
                                .now_ns = question.now_ns});
      if (!remedies && remedies.error().kind() != ErrorKind::kNotFound)
        return Fail(remedies.error().While("planning"));
      if (!remedies) {
        answer.not_planned.push_back(
            fmt::format("{}: {}", ToString(attempt.kind), remedies.error().message()));
        continue;
      }
      for (Action& action : *remedies) {
        action.rule = rule->name;
        action.service = hypothesis.service;
        action.cause = rca::ToString(hypothesis.kind);
        action.confidence = hypothesis.confidence;
        action.needs_approval = attempt.needs_approval;
        if (answer.candidates.size() >= kMostCandidates) continue;
        if (!planned.insert(action.Signature()).second) {
          answer.not_planned.push_back(fmt::format("{} of {}: tried or planned already",
                                                   ToString(action.kind), action.Subject()));
          continue;
        }
        answer.candidates.push_back(std::move(action));
      }
    }
  }
  std::vector<Action> later;
  std::erase_if(answer.candidates, [&](const Action& action) {
    if (!FailedBefore(action, question.past)) return false;
    later.push_back(action);
    return true;
  });
  answer.candidates.insert(answer.candidates.end(), later.begin(), later.end());
  for (Action& action : answer.candidates)
    action.id = fmt::format("{}-a{}", question.incident, number++);
  return answer;
}

}  // namespace enclave::agent
