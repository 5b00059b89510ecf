#include "sim/healing/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agent/actuator.h"
#include "agent/post_mortem.h"

namespace enclave::sim {

using agent::EventKind;
using agent::Record;
using agent::Stage;
using agent::Taken;
using kube::At;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

constexpr std::size_t kMostLines = 60;
constexpr std::size_t kMostWhy = 60;

std::string Annotation(const Json& object, const std::string& key) {
  const Json& annotations = At(object, "metadata.annotations");
  if (!annotations.is_object() || !annotations.contains(key)) return "";
  return annotations[key].is_string() ? annotations[key].get<std::string>() : "";
}

bool UnderWay(const Record& record) {
  return record.stage == Stage::kActing || record.stage == Stage::kVerifying ||
         record.stage == Stage::kUndoing;
}

bool IsReady(const kube::Object& pod) {
  for (const Json& condition : At(pod.json(), "status.conditions"))
    if (StringAt(condition, "type") == "Ready") return StringAt(condition, "status") == "True";
  return false;
}

}  // namespace

void Judge::Fail(const std::string& why) {
  if (!failure_) failure_ = why;
}

void Judge::Look() {
  for (const agent::Objective& objective : shop_.Objectives())
    if (!objective.well) missed_at_ = executor_.Now();
}

void Judge::OnEvent(const agent::Event& event) {
  lines_.push_back(fmt::format(
      "{:9.3f} {} {} {}", std::chrono::duration<double>(executor_.Now().time_since_epoch()).count(),
      event.incident, agent::ToString(event.kind), agent::Describe(event)));
  if (lines_.size() > kMostLines) lines_.pop_front();
  if (event.kind == EventKind::kModeSet) return;
  Record& record = records_[event.incident];
  if (const auto applied = agent::Apply(event, &record); !applied)
    return Fail(applied.error().message());
  if (event.kind == EventKind::kActionStarted) OnActionStarted(event, record);
  if (event.kind == EventKind::kUndoStarted) {
    const std::string subject = record.taken.back().action.Subject();
    last_begun_[subject] = executor_.Now();
  }
  if (event.kind == EventKind::kClosed && record.outcome == Stage::kEscalated)
    ++escalations_[shop_.BeyondActions()
                       ? "a fault that no action reaches"
                       : record.why.substr(0, std::min(record.why.find(record.id), kMostWhy))];
  if (event.kind == EventKind::kClosed && record.outcome == Stage::kRolledBack &&
      record.AnythingStands())
    Fail(fmt::format("{} ended rolled back and something stands", record.id));
}

void Judge::OnActionStarted(const agent::Event&, const Record& record) {
  const agent::Action& action = record.taken.back().action;
  const std::string subject = action.Subject();
  const base::MonoTime now = executor_.Now();
  ++actions_;
  for (const auto& [id, other] : records_)
    if (id != record.id && UnderWay(other) && other.taken.back().action.Subject() == subject)
      Fail(fmt::format("{} and {} act on {} at once", record.id, id, subject));
  std::size_t at_once = 0;
  for (const auto& [id, other] : records_)
    if (UnderWay(other)) ++at_once;
  if (at_once > policy_.guardrail.max_at_once)
    Fail(fmt::format("{} actions are under way at once", at_once));
  if (const auto last = last_begun_.find(subject);
      last != last_begun_.end() && now - last->second < policy_.guardrail.cooldown)
    Fail(fmt::format("{} was touched again before its cooldown was over", subject));
  last_begun_[subject] = now;
  if (record.taken.size() > policy_.guardrail.per_incident)
    Fail(fmt::format("{} took {} actions", record.id, record.taken.size()));
  begun_.push_back(now);
  while (now - begun_.front() >= std::chrono::hours(1)) begun_.pop_front();
  if (begun_.size() > policy_.guardrail.per_hour)
    Fail(fmt::format("{} actions within an hour", begun_.size()));
  if (!policy_.allowed.contains(action.kind))
    Fail(fmt::format("{} is not allowed", agent::ToString(action.kind)));
  Look();
  // As old as a reading may be when it is acted upon.
  const base::Duration staleness = 2 * policy_.verify.every + std::chrono::seconds(1);
  if (!missed_at_ || now - *missed_at_ > staleness)
    Fail(fmt::format("{} acts where no objective is missed", record.id));
}

const Taken* Judge::FindTaken(const std::string& action_id, const Record** owner) const {
  for (const auto& [id, record] : records_)
    for (const Taken& taken : record.taken)
      if (taken.action.id == action_id || taken.action.id + "-undo" == action_id) {
        *owner = &record;
        return &taken;
      }
  return nullptr;
}

void Judge::OnWrite(const std::string& verb, const kube::Kind& kind, const ObjectPtr& before,
                    const Json& after) {
  ++writes_;
  if (nothing_may_be_touched_) Fail("something was touched although nothing was wrong");
  if (!before) return Fail("the agent created " + kind.kind);
  const std::string id =
      Annotation(verb == "delete" ? before->json() : after, agent::kActionIdAnnotation);
  const Record* record = nullptr;
  const Taken* taken = FindTaken(id, &record);
  if (taken == nullptr)
    return Fail(fmt::format("{} {} was written without an action in the ledger", kind.kind,
                            before->name()));
  const bool undo = id.ends_with("-undo");
  if (!undo && taken->state != Taken::State::kStarted)
    Fail(fmt::format("{} was carried out when it was over already", id));
  if (undo && taken->state != Taken::State::kUndoing)
    Fail(fmt::format("{} was undone when nobody asked", id));
  if (verb != "delete" && Annotation(after, agent::kIncidentAnnotation) != record->id)
    Fail(fmt::format("{} does not carry its incident", before->name()));
  if (record->trace && verb != "delete" &&
      Annotation(after, agent::kTraceIdAnnotation) != record->trace->ToString())
    Fail(fmt::format("{} does not carry its trace", before->name()));
  const std::size_t times =
      ++changes_[fmt::format("{} {} {} {}", id, verb, kind.plural, before->uid())];
  if (times > 1) Fail(fmt::format("{} changed {} twice", id, before->name()));
  if (!undo) CheckReach(taken->action, verb, before);
}

void Judge::CheckReach(const agent::Action& action, const std::string& verb,
                       const ObjectPtr& before) {
  if (!policy_.namespaces.contains(before->ns()))
    Fail(fmt::format("the namespace {} is not the agent's", before->ns()));
  const auto pods = api_.List(kube::kPod, {.ns = before->ns()});
  if (!pods) return;
  std::size_t own = 0;
  std::size_t ready = 0;
  for (const ObjectPtr& pod : pods->items) {
    if (StringAt(pod->json(), "metadata.labels.app") != action.workload) continue;
    ++own;
    if (IsReady(*pod)) ++ready;
  }
  const bool all = agent::FactsOf(action.kind).replaces_pods && verb != "delete";
  // A pod more or less may have come between the look and the deed.
  const double touched = all ? static_cast<double>(own) - 1 : 0;
  if (touched > policy_.guardrail.max_share_of_pods * static_cast<double>(pods->items.size() + 1))
    Fail(fmt::format("{} touches {} of {} pods", action.id, own, pods->items.size()));
  const auto deployment = api_.Get(kube::kDeployment, before->ns(), action.workload);
  if (verb == "delete" && deployment && IsReady(*before)) {
    const auto desired = static_cast<double>(kube::IntAt((*deployment)->json(), "spec.replicas"));
    if (desired > 1 &&
        static_cast<double>(ready) - 1 < std::ceil(policy_.guardrail.min_available * desired) - 1)
      Fail(fmt::format("{} leaves {} of {:.0f} pods ready", action.id, ready - 1, desired));
  }
}

void Judge::AtEnd() {
  for (const auto& [id, record] : records_)
    if (record.stage != Stage::kLearned)
      Fail(fmt::format("{} is still {}", id, agent::ToString(record.stage)));
}

std::size_t Judge::ended() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      records_, [](const auto& entry) { return agent::IsOver(entry.second.stage); }));
}

}  // namespace enclave::sim
