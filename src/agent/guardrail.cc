#include "agent/guardrail.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kube/time.h"
#include "telemetry/config_node.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Result;
using kube::At;
using kube::IntAt;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

const kube::Kind& DisruptionBudgetKind() {
  static const kube::Kind kind{"policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"};
  return kind;
}

bool IsReady(const kube::Object& pod) {
  if (pod.deleting()) return false;
  for (const Json& condition : At(pod.json(), "status.conditions"))
    if (StringAt(condition, "type") == "Ready") return StringAt(condition, "status") == "True";
  return false;
}

bool IsLive(const kube::Object& pod) {
  const std::string& phase = StringAt(pod.json(), "status.phase");
  return phase != "Succeeded" && phase != "Failed";
}

// A rollout of the strategy keeps what the Deployment promises; Recreate takes all pods at once.
bool KeepsMinimum(const Json& deployment) {
  return StringAt(deployment, "spec.strategy.type") != "Recreate";
}

std::optional<std::size_t> ScaleOf(const Action& action) {
  if (action.kind != ActionKind::kScale) return std::nullopt;
  for (const Step& step : action.steps)
    for (const FieldEdit& edit : step.edits)
      if (edit.pointer == "/spec/replicas" && edit.after.is_number_integer())
        return static_cast<std::size_t>(std::max<std::int64_t>(0, edit.after.get<std::int64_t>()));
  return std::nullopt;
}

Ruling Refuse(std::string why) {
  return {Ruling::Kind::kRefused, std::move(why)};
}
Ruling Wait(std::string why) {
  return {Ruling::Kind::kWait, std::move(why)};
}

std::size_t LeastPods(const Policy& policy, const ClusterFacts& facts) {
  return static_cast<std::size_t>(
      std::ceil(policy.guardrail.min_available * static_cast<double>(facts.desired)));
}

Ruling JudgeReach(const Policy& policy, const Action& action, const ClusterFacts& facts) {
  const GuardrailPolicy& rail = policy.guardrail;
  const double share =
      facts.pods_in_namespace == 0
          ? 0
          : static_cast<double>(facts.pods_touched) / static_cast<double>(facts.pods_in_namespace);
  if (share > rail.max_share_of_pods)
    return Refuse(fmt::format("it touches {} of {} pods of {}, more than {:.0f} % are not allowed",
                              facts.pods_touched, facts.pods_in_namespace, action.ns,
                              rail.max_share_of_pods * 100));
  const std::size_t least = LeastPods(policy, facts);
  if (action.kind == ActionKind::kDeletePod && facts.touches_ready_pod && facts.desired > 1 &&
      facts.ready < least + 1)
    return Refuse(fmt::format("{} of {} pods of {} are ready and {} have to stay", facts.ready,
                              facts.desired, action.Subject(), least));
  if (FactsOf(action.kind).replaces_pods && action.kind != ActionKind::kDeletePod &&
      !facts.one_by_one && facts.ready > 0 && facts.desired > 1)
    return Refuse(
        fmt::format("{} replaces all its pods at once (strategy Recreate) and {} are "
                    "ready",
                    action.Subject(), facts.ready));
  if (facts.scale_to && *facts.scale_to < least && *facts.scale_to < facts.desired)
    return Refuse(
        fmt::format("{} pods are fewer than the {} that have to stay", *facts.scale_to, least));
  if (!facts.budget_refuses.empty() && facts.touches_ready_pod)
    return Wait(
        fmt::format("the PodDisruptionBudget {} allows no disruption now", facts.budget_refuses));
  return {};
}

Ruling JudgeHistory(const GuardrailPolicy& rail, const Action& action, const std::string& incident,
                    const std::vector<PastAction>& past, std::int64_t now_ns) {
  std::uint64_t last_hour = 0;
  std::uint64_t of_incident = 0;
  std::uint64_t under_way = 0;
  constexpr std::int64_t kHour = base::Duration(std::chrono::hours(1)).count();
  for (const PastAction& one : past) {
    if (one.under_way) ++under_way;
    if (one.under_way && one.subject == action.Subject())
      return Wait(fmt::format("{} is under the hands of {}", one.subject, one.incident));
    if (now_ns - one.started_ns < kHour) ++last_hour;
    if (one.incident == incident) ++of_incident;
    if (one.subject == action.Subject() && now_ns - one.started_ns < rail.cooldown.count())
      return Wait(fmt::format("{} was touched less than {} ago", one.subject,
                              telemetry::FormatConfigDuration(rail.cooldown)));
  }
  if (of_incident >= rail.per_incident)
    return Refuse(
        fmt::format("{} actions were taken in this incident; that is enough", of_incident));
  // Nobody waits an hour: then it is for people.
  if (last_hour >= rail.per_hour)
    return Refuse(
        fmt::format("{} actions were taken within the hour; more are not allowed", last_hour));
  if (under_way >= rail.max_at_once)
    return Wait(fmt::format("{} other action is under way; {} at once are allowed", under_way,
                            rail.max_at_once));
  return {};
}

// Of actions whose whole effect is that pods begin anew.
void SeeBeginning(const kube::Object& pod, ClusterFacts* facts) {
  const auto began = kube::TimeAt(pod.json(), "metadata.creationTimestamp");
  if (!began) return;
  const std::int64_t began_ns = began->time_since_epoch().count();
  if (facts->began_ns == 0 || began_ns < facts->began_ns) facts->began_ns = began_ns;
}

}  // namespace

Result<ClusterFacts> ReadClusterFacts(kube::Api& api, const Action& action) {
  ClusterFacts facts;
  if (action.ns.empty()) return facts;  // a node: no pod is touched
  ASSIGN_OR_RETURN(const ObjectPtr deployment,
                   api.Get(kube::kDeployment, action.ns, action.workload));
  ASSIGN_OR_RETURN(const kube::ObjectList pods, api.List(kube::kPod, {.ns = action.ns}));
  ASSIGN_OR_RETURN(const auto selector,
                   kube::LabelSelector::FromJson(At(deployment->json(), "spec.selector")));
  facts.desired = static_cast<std::size_t>(
      std::max<std::int64_t>(0, IntAt(deployment->json(), "spec.replicas", 1)));
  facts.one_by_one = KeepsMinimum(deployment->json());
  facts.scale_to = ScaleOf(action);
  std::size_t of_workload = 0;
  const Json* touched_labels = nullptr;
  for (const ObjectPtr& pod : pods.items) {
    if (!IsLive(*pod)) continue;
    ++facts.pods_in_namespace;
    if (!selector.Matches(At(pod->json(), "metadata.labels"))) continue;
    ++of_workload;
    if (IsReady(*pod)) ++facts.ready;
    if (action.kind == ActionKind::kRestart) SeeBeginning(*pod, &facts);
    for (const Step& step : action.steps) {
      if (step.verb != Step::Verb::kDelete || step.name != pod->name()) continue;
      ++facts.pods_touched;
      SeeBeginning(*pod, &facts);
      facts.touches_ready_pod = facts.touches_ready_pod || IsReady(*pod);
      touched_labels = &At(pod->json(), "metadata.labels");
    }
  }
  if (FactsOf(action.kind).replaces_pods && action.kind != ActionKind::kDeletePod)
    facts.pods_touched = of_workload;
  if (touched_labels != nullptr && facts.touches_ready_pod) {
    // A cluster that does not know budgets has none.
    const auto budgets = api.List(DisruptionBudgetKind(), {.ns = action.ns});
    if (!budgets && budgets.error().kind() != ErrorKind::kNotFound)
      return base::Fail(budgets.error().While("reading disruption budgets"));
    if (budgets)
      for (const ObjectPtr& budget : budgets->items) {
        const auto of = kube::LabelSelector::FromJson(At(budget->json(), "spec.selector"));
        if (of && of->Matches(*touched_labels) &&
            IntAt(budget->json(), "status.disruptionsAllowed") < 1)
          facts.budget_refuses = budget->name();
      }
  }
  return facts;
}

std::string WhyNotUndo(const Policy& policy, const Action& inverse, const ClusterFacts& facts) {
  const std::size_t least = LeastPods(policy, facts);
  if (!facts.scale_to || *facts.scale_to >= facts.desired || *facts.scale_to >= least) return "";
  return fmt::format("{} would be left with {} pods, and {} have to stay", inverse.Subject(),
                     *facts.scale_to, least);
}

Ruling Judge(const Policy& policy, const Action& action, const std::string& incident,
             const ClusterFacts& facts, const std::vector<PastAction>& past, std::int64_t now_ns) {
  if (!FactsOf(action.kind).mutates) return {};
  if (!policy.allowed.contains(action.kind))
    return Refuse(fmt::format("the policy does not allow {}", ToString(action.kind)));
  if (!action.ns.empty() && !policy.namespaces.contains(action.ns))
    return Refuse(fmt::format("the policy does not allow the namespace {}", action.ns));
  for (const Step& step : action.steps)
    if (step.ns != action.ns)
      return Refuse(fmt::format("it reaches into the namespace {}", step.ns));
  if (action.confidence < policy.guardrail.min_confidence)
    return Refuse(fmt::format("a confidence of {:.2f} is too little to act on, {:.2f} is the least",
                              action.confidence, policy.guardrail.min_confidence));
  if (Ruling ruling = JudgeReach(policy, action, facts); ruling.kind == Ruling::Kind::kRefused)
    return ruling;
  // What has just begun needs a moment, and would only begin anew.
  if (facts.began_ns != 0 && now_ns - facts.began_ns < policy.guardrail.cooldown.count())
    return Wait(fmt::format("{} began less than {} ago", action.Subject(),
                            telemetry::FormatConfigDuration(policy.guardrail.cooldown)));
  Ruling history = JudgeHistory(policy.guardrail, action, incident, past, now_ns);
  if (history.kind != Ruling::Kind::kAllowed) return history;
  return JudgeReach(policy, action, facts);
}

}  // namespace enclave::agent
