#include "agent/action.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/check.h"

namespace enclave::agent {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::StringAt;

namespace {

constexpr std::array<ActionFacts, 9> kActions = {{
    {ActionKind::kRollbackRevision, "rollback_revision", true, true, true,
     "put the Deployment's former revision back"},
    {ActionKind::kRollbackConfig, "rollback_config", true, true, true,
     "put the former configuration back and start its readers anew"},
    {ActionKind::kRestoreService, "restore_service", true, true, false,
     "put the Service's former selector and ports back"},
    {ActionKind::kRestart, "restart", true, false, true,
     "start the pods anew, one after the other"},
    {ActionKind::kDeletePod, "delete_pod", true, false, true,
     "delete a pod, so that another comes"},
    {ActionKind::kScale, "scale", true, true, false, "change the number of pods"},
    {ActionKind::kRaiseLimit, "raise_limit", true, true, true, "give the containers more"},
    {ActionKind::kCordon, "cordon", true, true, false, "give the node no new pods"},
    {ActionKind::kEscalate, "escalate", false, false, false, "hand over to people"},
}};

}  // namespace

std::span<const ActionFacts> AllActions() {
  return kActions;
}

const ActionFacts& FactsOf(ActionKind kind) {
  const auto found = std::ranges::find(kActions, kind, &ActionFacts::kind);
  CHECK(found != kActions.end(), "every kind of action stands in the table");
  return *found;
}

std::string_view ToString(ActionKind kind) {
  return FactsOf(kind).name;
}

std::optional<ActionKind> ActionKindFromString(std::string_view name) {
  const auto found = std::ranges::find(kActions, name, &ActionFacts::name);
  if (found == kActions.end()) return std::nullopt;
  return found->kind;
}

std::string Action::Signature() const {
  Json what = Json::array();
  for (const Step& step : steps) {
    Json edits = Json::array();
    // A restart is the same restart at whatever time.
    if (kind != ActionKind::kRestart)
      for (const FieldEdit& edit : step.edits)
        if (!edit.pointer.ends_with("restartedAt")) edits.push_back({edit.pointer, edit.after});
    what.push_back({step.resource, step.ns, step.name,
                    step.verb == Step::Verb::kDelete ? step.uid : "", std::move(edits)});
  }
  return fmt::format("{} {} {}", ToString(kind), Subject(), what.dump());
}

std::optional<Action> InverseOf(const Action& action) {
  if (!FactsOf(action.kind).restorable) return std::nullopt;
  Action inverse = action;
  inverse.id = action.id + "-undo";
  inverse.reason = "undo " + action.id;
  for (Step& step : inverse.steps)
    for (FieldEdit& edit : step.edits) std::swap(edit.before, edit.after);
  return inverse;
}

const kube::Kind* KindOf(std::string_view resource) {
  static const std::array<const kube::Kind*, 5> kinds = {
      &kube::kDeployment, &kube::kConfigMap, &kube::kService, &kube::kPod, &kube::kNode};
  for (const kube::Kind* kind : kinds)
    if (kind->GroupResource() == resource) return kind;
  return nullptr;
}

Json ToJson(const Action& action) {
  Json steps = Json::array();
  for (const Step& step : action.steps) {
    Json edits = Json::array();
    for (const FieldEdit& edit : step.edits)
      edits.push_back({{"pointer", edit.pointer}, {"before", edit.before}, {"after", edit.after}});
    steps.push_back({{"verb", step.verb == Step::Verb::kEdit ? "edit" : "delete"},
                     {"resource", step.resource},
                     {"namespace", step.ns},
                     {"name", step.name},
                     {"uid", step.uid},
                     {"edits", std::move(edits)}});
  }
  return {{"id", action.id},
          {"kind", ToString(action.kind)},
          {"namespace", action.ns},
          {"workload", action.workload},
          {"steps", std::move(steps)},
          {"reason", action.reason},
          {"rule", action.rule},
          {"service", action.service},
          {"cause", action.cause},
          {"confidence", action.confidence},
          {"needsApproval", action.needs_approval}};
}

Result<Action> ActionFromJson(const Json& json) {
  const auto bad = [](std::string_view what) {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("an action of the ledger: {}", what));
  };
  const auto kind = ActionKindFromString(StringAt(json, "kind"));
  if (!kind) return bad("an unknown kind");
  Action action{.id = StringAt(json, "id"),
                .kind = *kind,
                .ns = StringAt(json, "namespace"),
                .workload = StringAt(json, "workload"),
                .reason = StringAt(json, "reason"),
                .rule = StringAt(json, "rule"),
                .service = StringAt(json, "service"),
                .cause = StringAt(json, "cause"),
                .needs_approval = kube::BoolAt(json, "needsApproval")};
  if (action.id.empty()) return bad("no id");
  if (const Json& confidence = At(json, "confidence"); confidence.is_number())
    action.confidence = confidence.get<double>();
  const Json& steps = At(json, "steps");
  if (!steps.is_array()) return bad("no steps");
  for (const Json& one : steps) {
    Step step{.verb = StringAt(one, "verb") == "delete" ? Step::Verb::kDelete : Step::Verb::kEdit,
              .resource = StringAt(one, "resource"),
              .ns = StringAt(one, "namespace"),
              .name = StringAt(one, "name"),
              .uid = StringAt(one, "uid")};
    if (KindOf(step.resource) == nullptr) return bad("a step on an unknown kind of object");
    for (const Json& edit : At(one, "edits"))
      step.edits.push_back({StringAt(edit, "pointer"), At(edit, "before"), At(edit, "after")});
    action.steps.push_back(std::move(step));
  }
  return action;
}

}  // namespace enclave::agent
