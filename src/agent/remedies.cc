#include "agent/remedies.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "incident/object_change.h"
#include "kube/quantity.h"
#include "kube/time.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;
using incident::ImagesOf;
using kube::At;
using kube::IntAt;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

constexpr const char* kRevision = "deployment.kubernetes.io/revision";
constexpr const char* kTemplateHash = "pod-template-hash";
constexpr const char* kRestartedAt = "kubectl.kubernetes.io/restartedAt";
constexpr std::size_t kMostRevisions = 2;  // former ones that are tried

using Remedy = Result<std::vector<Action>>;

std::unexpected<base::Error> None(std::string why) {
  return Fail(ErrorKind::kNotFound, std::move(why));
}

Action Begin(const RemedyInput& input, std::string reason) {
  return {.kind = input.attempt.kind,
          .ns = input.deployment->ns(),
          .workload = input.deployment->name(),
          .reason = std::move(reason)};
}

Step EditOf(const kube::Kind& kind, const kube::Object& object, std::vector<FieldEdit> edits) {
  return {.resource = kind.GroupResource(),
          .ns = object.ns(),
          .name = object.name(),
          .uid = object.uid(),
          .edits = std::move(edits)};
}

std::int64_t RevisionOf(const kube::Object& object) {
  const Json& annotations = At(object.json(), "metadata.annotations");
  if (!annotations.is_object() || !annotations.contains(kRevision)) return 0;
  const Json& text = annotations[kRevision];
  if (!text.is_string()) return 0;
  std::int64_t revision = 0;
  for (const char c : text.get<std::string>()) {
    if (c < '0' || c > '9' || revision > 1'000'000'000) return 0;
    revision = revision * 10 + (c - '0');
  }
  return revision;
}

Json TemplateOf(const kube::Object& replica_set) {
  Json pod_template = At(replica_set.json(), "spec.template");
  if (!pod_template.is_object()) return pod_template;
  if (At(pod_template, "metadata.labels").is_object())
    pod_template["metadata"]["labels"].erase(kTemplateHash);
  return pod_template;
}

Json WithoutRestart(Json pod_template) {
  if (!At(pod_template, "metadata.annotations").is_object()) return pod_template;
  Json& metadata = pod_template["metadata"];
  metadata["annotations"].erase(kRestartedAt);
  if (metadata["annotations"].empty()) metadata.erase("annotations");
  return pod_template;
}

bool TooLongAgo(const RemedyInput& input, std::int64_t changed_ns) {
  return input.opened_ns - changed_ns > input.within.count();
}

// When the present pod template came, as far as anybody knows.
std::int64_t TemplateSince(const RemedyInput& input, const kube::Object* present) {
  std::int64_t since = 0;
  if (present != nullptr)
    if (const auto created = kube::TimeAt(present->json(), "metadata.creationTimestamp"))
      since = created->time_since_epoch().count();
  if (input.history == nullptr) return since;
  const auto versions = input.history->Of(kube::kDeployment.GroupResource(), input.deployment->ns(),
                                          input.deployment->name());
  if (!versions) return since;
  for (std::size_t i = 1; i < versions->size(); ++i)
    if (At((*versions)[i].content, "template") != At((*versions)[i - 1].content, "template"))
      since = std::max(since, (*versions)[i].seen_ns);
  return since;
}

// The pod templates that the Deployment had lately, oldest first, each other than the one before.
std::vector<Json> Templates(const RemedyInput& input) {
  std::vector<Json> templates;
  if (input.history == nullptr) return templates;
  const auto versions = input.history->Of(kube::kDeployment.GroupResource(), input.deployment->ns(),
                                          input.deployment->name());
  if (!versions) return templates;
  for (const Version& version : *versions) {
    Json pod_template = WithoutRestart(At(version.content, "template"));
    // Of those before, the last alone.
    if (TooLongAgo(input, version.seen_ns)) templates.clear();
    if (templates.empty() || templates.back() != pod_template)
      templates.push_back(std::move(pod_template));
  }
  return templates;
}

// Whether the last time that it was left it was for an older one, by whomever: then it is not gone
// back to. What comes again after it was gone back from is left as any other release.
bool WasGoneBackFrom(const std::vector<Json>& versions, const Json& one) {
  const auto first = std::ranges::find(versions, one);
  for (std::size_t next = versions.size(); next-- > 1;)
    if (versions[next - 1] == one) return std::ranges::find(versions, versions[next]) < first;
  return false;
}

// As `kubectl rollout undo`: the pod template of an earlier ReplicaSet.
Remedy RollbackRevision(const RemedyInput& input) {
  ASSIGN_OR_RETURN(const kube::ObjectList sets,
                   input.api.List(kube::kReplicaSet, {.ns = input.deployment->ns()}));
  const Json& present = At(input.deployment->json(), "spec.template");
  const std::int64_t revision = RevisionOf(*input.deployment);
  std::vector<ObjectPtr> former;
  const kube::Object* current = nullptr;
  for (const ObjectPtr& set : sets.items) {
    const Json& owners = At(set->json(), "metadata.ownerReferences");
    const bool ours = std::ranges::any_of(owners, [&](const Json& owner) {
      return StringAt(owner, "uid") == input.deployment->uid();
    });
    if (!ours || RevisionOf(*set) == 0) continue;
    if (RevisionOf(*set) == revision) current = set.get();
    // One that differs in when its pods were to start anew would change nothing.
    if (RevisionOf(*set) < revision && WithoutRestart(TemplateOf(*set)) != WithoutRestart(present))
      former.push_back(set);
  }
  if (former.empty())
    return None(fmt::format("{} has no former revision", input.deployment->name()));
  if (TooLongAgo(input, TemplateSince(input, current)))
    return None(fmt::format("{} has been at its revision for too long to be suspected",
                            input.deployment->name()));
  const std::vector<Json> templates = Templates(input);
  std::erase_if(former, [&](const ObjectPtr& set) {
    return WasGoneBackFrom(templates, WithoutRestart(TemplateOf(*set)));
  });
  if (former.empty())
    return None(
        fmt::format("{} was taken back from its only other revision", input.deployment->name()));
  std::ranges::sort(former, std::greater<>{},
                    [](const ObjectPtr& set) { return RevisionOf(*set); });
  former.resize(std::min(former.size(), kMostRevisions));
  std::vector<Action> actions;
  for (const ObjectPtr& set : former) {
    Action action = Begin(input, fmt::format("{} goes back from revision {} ({}) to {} ({})",
                                             input.deployment->name(), revision, ImagesOf(present),
                                             RevisionOf(*set), ImagesOf(TemplateOf(*set))));
    action.steps = {EditOf(kube::kDeployment, *input.deployment,
                           {{"/spec/template", present, TemplateOf(*set)}})};
    actions.push_back(std::move(action));
  }
  return actions;
}

std::vector<FieldEdit> RestartEdits(const RemedyInput& input) {
  const Json& annotations = At(input.deployment->json(), "spec.template.metadata.annotations");
  const std::string now = kube::FormatTime(base::WallTime(base::Duration(input.now_ns)));
  if (!annotations.is_object())
    return {{"/spec/template/metadata/annotations", Json(), Json{{kRestartedAt, now}}}};
  return {{"/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
           annotations.contains(kRestartedAt) ? annotations[kRestartedAt] : Json(), now}};
}

Remedy Restart(const RemedyInput& input) {
  if (IntAt(input.deployment->json(), "spec.replicas", 1) == 0)
    return None(fmt::format("{} has no pods to start anew", input.deployment->name()));
  Action action = Begin(input, fmt::format("the pods of {} start anew", input.deployment->name()));
  action.steps = {EditOf(kube::kDeployment, *input.deployment, RestartEdits(input))};
  return std::vector{std::move(action)};
}

// The newest version that differs from what is there and was not gone back from, and when it was
// replaced.
struct Former {
  Json content;
  std::int64_t replaced_ns = 0;
};
Result<Former> FormerOf(const RemedyInput& input, const kube::Kind& kind,
                        const kube::Object& object) {
  if (input.history == nullptr) return None("no history is kept");
  ASSIGN_OR_RETURN(const auto versions,
                   input.history->Of(kind.GroupResource(), object.ns(), object.name()));
  const Json present = ContentOf(kind, object.json());
  std::vector<Json> contents;
  for (const Version& version : versions) contents.push_back(version.content);
  std::int64_t replaced_ns = input.now_ns;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->content != present && version->content.is_object() &&
        !WasGoneBackFrom(contents, version->content))
      return Former{version->content, replaced_ns};
    replaced_ns = version->seen_ns;
  }
  return None(fmt::format("no other version of {} {} was seen", kind.kind, object.name()));
}

std::vector<FieldEdit> EditsBetween(const std::string& prefix, const Json& present,
                                    const Json& former, std::initializer_list<const char*> fields) {
  std::vector<FieldEdit> edits;
  for (const char* field : fields) {
    const Json before = present.contains(field) ? present[field] : Json();
    const Json after = former.contains(field) ? former[field] : Json();
    if (before != after) edits.push_back({prefix + "/" + field, before, after});
  }
  return edits;
}

Remedy RollbackConfig(const RemedyInput& input) {
  std::vector<Action> actions;
  std::string why = fmt::format("{} reads no ConfigMap", input.deployment->name());
  for (const std::string& name : ConfigMapsOf(At(input.deployment->json(), "spec.template"))) {
    const auto map = input.api.Get(kube::kConfigMap, input.deployment->ns(), name);
    if (!map && map.error().kind() != ErrorKind::kNotFound) return Fail(map.error());
    if (!map) {
      why = fmt::format("the ConfigMap {} is gone", name);
      continue;
    }
    const auto former = FormerOf(input, kube::kConfigMap, **map);
    if (!former && former.error().kind() != ErrorKind::kNotFound) return Fail(former.error());
    if (!former || TooLongAgo(input, former->replaced_ns)) {
      why = former ? fmt::format("the ConfigMap {} was changed too long ago to be suspected", name)
                   : former.error().message();
      continue;
    }
    Action action =
        Begin(input, fmt::format("the ConfigMap {} goes back to what it was, and {} starts anew",
                                 name, input.deployment->name()));
    action.steps = {EditOf(kube::kConfigMap, **map,
                           EditsBetween("", ContentOf(kube::kConfigMap, (*map)->json()),
                                        former->content, {"data", "binaryData"})),
                    EditOf(kube::kDeployment, *input.deployment, RestartEdits(input))};
    actions.push_back(std::move(action));
  }
  if (actions.empty()) return None(why);
  return actions;
}

Remedy RestoreService(const RemedyInput& input) {
  ASSIGN_OR_RETURN(const kube::ObjectList services,
                   input.api.List(kube::kService, {.ns = input.deployment->ns()}));
  std::vector<Action> actions;
  for (const ObjectPtr& service : services.items) {
    if (service->name() != input.deployment->name()) continue;
    const auto former = FormerOf(input, kube::kService, *service);
    if (!former && former.error().kind() != ErrorKind::kNotFound) return Fail(former.error());
    if (!former || TooLongAgo(input, former->replaced_ns)) continue;
    const Json present = ContentOf(kube::kService, service->json());
    Action action = Begin(input, fmt::format("the Service {} goes back to its former selector "
                                             "and ports",
                                             service->name()));
    action.steps = {EditOf(kube::kService, *service,
                           EditsBetween("/spec", present, former->content, {"selector", "ports"}))};
    actions.push_back(std::move(action));
  }
  if (actions.empty())
    return None(fmt::format("the Service of {} was not changed lately", input.deployment->name()));
  return actions;
}

// The pods that are worst off first: what is not ready costs nothing.
Remedy DeletePod(const RemedyInput& input) {
  ASSIGN_OR_RETURN(const auto selector,
                   kube::LabelSelector::FromJson(At(input.deployment->json(), "spec.selector")));
  ASSIGN_OR_RETURN(const kube::ObjectList pods,
                   input.api.List(kube::kPod, {.ns = input.deployment->ns(), .labels = selector}));
  struct Candidate {
    ObjectPtr pod;
    bool ready = false;
    std::int64_t restarts = 0;
  };
  std::vector<Candidate> candidates;
  for (const ObjectPtr& pod : pods.items) {
    if (pod->deleting()) continue;
    Candidate candidate{.pod = pod};
    for (const Json& condition : At(pod->json(), "status.conditions"))
      if (StringAt(condition, "type") == "Ready")
        candidate.ready = StringAt(condition, "status") == "True";
    for (const Json& status : At(pod->json(), "status.containerStatuses"))
      candidate.restarts += IntAt(status, "restartCount");
    candidates.push_back(std::move(candidate));
  }
  if (candidates.empty()) return None(fmt::format("{} has no pod", input.deployment->name()));
  std::ranges::sort(candidates, {}, [](const Candidate& candidate) {
    return std::tuple(candidate.ready, -candidate.restarts, candidate.pod->name());
  });
  const Candidate& worst = candidates.front();
  Action action =
      Begin(input, fmt::format("the pod {} ({}ready, {} restarts) goes, and another "
                               "comes",
                               worst.pod->name(), worst.ready ? "" : "not ", worst.restarts));
  action.steps = {{.verb = Step::Verb::kDelete,
                   .resource = kube::kPod.GroupResource(),
                   .ns = worst.pod->ns(),
                   .name = worst.pod->name(),
                   .uid = worst.pod->uid()}};
  return std::vector{std::move(action)};
}

// To what it was when somebody scaled it down; else more by the attempt's factor.
Remedy Scale(const RemedyInput& input) {
  const std::int64_t present = IntAt(input.deployment->json(), "spec.replicas", 1);
  const auto most = static_cast<std::int64_t>(input.attempt.most);
  std::int64_t wanted =
      static_cast<std::int64_t>(std::ceil(static_cast<double>(present) * input.attempt.factor));
  if (input.history != nullptr) {
    ASSIGN_OR_RETURN(const auto versions,
                     input.history->Of(kube::kDeployment.GroupResource(), input.deployment->ns(),
                                       input.deployment->name()));
    for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
      const std::int64_t former = IntAt(version->content, "replicas", 1);
      if (former == present) continue;
      if (former > present) wanted = former;
      break;
    }
  }
  if (present == 0 && wanted == 0) wanted = 1;
  wanted = std::min(wanted, most);
  if (wanted <= present)
    return None(fmt::format("{} has {} pods, and {} are the most there may be",
                            input.deployment->name(), present, most));
  Action action = Begin(input, fmt::format("{} gets {} pods instead of {}",
                                           input.deployment->name(), wanted, present));
  const Json& replicas = At(input.deployment->json(), "spec.replicas");
  action.steps = {
      EditOf(kube::kDeployment, *input.deployment, {{"/spec/replicas", replicas, wanted}})};
  return std::vector{std::move(action)};
}

Remedy RaiseLimit(const RemedyInput& input) {
  const std::string& resource = input.attempt.resource;
  std::vector<FieldEdit> edits;
  std::string change;
  const Json& containers = At(input.deployment->json(), "spec.template.spec.containers");
  for (std::size_t i = 0; containers.is_array() && i < containers.size(); ++i) {
    const Json& limits = At(containers[i], "resources.limits");
    if (!limits.is_object() || !limits.contains(resource)) continue;
    const auto present = kube::Quantity::FromJson(limits[resource]);
    if (!present) continue;
    kube::Quantity wanted;
    if (resource == "memory") {
      const double bytes = static_cast<double>(present->Value()) * input.attempt.factor;
      wanted = kube::Quantity::FromBytes(static_cast<std::int64_t>(
          std::min(bytes, static_cast<double>(input.attempt.most_bytes))));
    } else {
      const double milli = static_cast<double>(present->MilliValue()) * input.attempt.factor;
      constexpr double kMostMilli = 64'000;
      wanted = kube::Quantity::FromMilli(static_cast<std::int64_t>(std::min(milli, kMostMilli)));
    }
    if (wanted <= *present) continue;
    edits.push_back(
        {fmt::format("/spec/template/spec/containers/{}/resources/limits/{}", i, resource),
         limits[resource], wanted.ToString()});
    change = fmt::format("{} instead of {}", wanted.ToString(), present->ToString());
  }
  if (edits.empty())
    return None(fmt::format("no container of {} has a {} limit below the most that is allowed",
                            input.deployment->name(), resource));
  Action action =
      Begin(input, fmt::format("{} may use {} of {}", input.deployment->name(), change, resource));
  action.steps = {EditOf(kube::kDeployment, *input.deployment, std::move(edits))};
  return std::vector{std::move(action)};
}

// The node where most of the workload's pods that are not ready are.
Remedy Cordon(const RemedyInput& input) {
  ASSIGN_OR_RETURN(const auto selector,
                   kube::LabelSelector::FromJson(At(input.deployment->json(), "spec.selector")));
  ASSIGN_OR_RETURN(const kube::ObjectList pods,
                   input.api.List(kube::kPod, {.ns = input.deployment->ns(), .labels = selector}));
  ASSIGN_OR_RETURN(const kube::ObjectList nodes, input.api.List(kube::kNode, {}));
  std::size_t schedulable = 0;
  for (const ObjectPtr& node : nodes.items)
    if (!kube::BoolAt(node->json(), "spec.unschedulable")) ++schedulable;
  if (schedulable < 2) return None("no other node would take its pods");
  std::map<std::string, std::size_t> pods_by_node;
  for (const ObjectPtr& pod : pods.items) ++pods_by_node[StringAt(pod->json(), "spec.nodeName")];
  const ObjectPtr* chosen = nullptr;
  std::size_t most = 0;
  for (const ObjectPtr& node : nodes.items)
    if (!kube::BoolAt(node->json(), "spec.unschedulable") && pods_by_node[node->name()] > most) {
      chosen = &node;
      most = pods_by_node[node->name()];
    }
  if (chosen == nullptr) return None("no node has its pods");
  Action action{.kind = ActionKind::kCordon,
                .workload = "node/" + (*chosen)->name(),
                .reason = fmt::format("the node {} gets no new pods", (*chosen)->name())};
  const Json& before = At((*chosen)->json(), "spec.unschedulable");
  action.steps = {EditOf(kube::kNode, **chosen, {{"/spec/unschedulable", before, true}})};
  return std::vector{std::move(action)};
}

}  // namespace

Remedy Remedies(const RemedyInput& input) {
  switch (input.attempt.kind) {
    case ActionKind::kRollbackRevision:
      return RollbackRevision(input);
    case ActionKind::kRollbackConfig:
      return RollbackConfig(input);
    case ActionKind::kRestoreService:
      return RestoreService(input);
    case ActionKind::kRestart:
      return Restart(input);
    case ActionKind::kDeletePod:
      return DeletePod(input);
    case ActionKind::kScale:
      return Scale(input);
    case ActionKind::kRaiseLimit:
      return RaiseLimit(input);
    case ActionKind::kCordon:
      return Cordon(input);
    case ActionKind::kEscalate:
      break;
  }
  Action action = Begin(input, "the policy hands this over to people");
  return std::vector{std::move(action)};
}

}  // namespace enclave::agent
