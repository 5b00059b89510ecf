#include "agent/workload_objectives.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/action.h"

namespace enclave::agent {

using kube::At;
using kube::IntAt;
using kube::ObjectPtr;
using kube::StringAt;

namespace {

constexpr std::array<std::string_view, 6> kCannotStart = {
    "CrashLoopBackOff", "ImagePullBackOff",           "ErrImagePull",
    "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"};

std::string WhyItCannotStart(const kube::Object& pod) {
  for (const char* list : {"status.initContainerStatuses", "status.containerStatuses"})
    for (const Json& status : At(pod.json(), list)) {
      const std::string& reason = StringAt(status, "state.waiting.reason");
      if (std::ranges::find(kCannotStart, reason) != kCannotStart.end()) return reason;
    }
  return "";
}

}  // namespace

WorkloadObjectives::WorkloadObjectives(Objectives& users, kube::SharedInformers& informers,
                                       std::vector<std::string> namespaces)
    : users_(users), informers_(informers), namespaces_(std::move(namespaces)) {
  for (const std::string& ns : namespaces_) {
    informers_.For(kube::kDeployment, {.ns = ns});
    informers_.For(kube::kPod, {.ns = ns});
  }
}

Objective WorkloadObjectives::StateOf(const kube::Object& deployment,
                                      const std::vector<ObjectPtr>& pods) {
  Objective objective{.name = fmt::format("pods of {}/{}", deployment.ns(), deployment.name()),
                      .service = deployment.name()};
  const auto selector = kube::LabelSelector::FromJson(At(deployment.json(), "spec.selector"));
  const std::int64_t desired = IntAt(deployment.json(), "spec.replicas", 1);
  const std::int64_t available = IntAt(deployment.json(), "status.availableReplicas");
  const base::MonoTime now = informers_.executor().Now();
  if (available >= desired)
    short_since_.erase(objective.name);
  else
    short_since_.try_emplace(objective.name, now);
  const auto short_since = short_since_.find(objective.name);
  if (short_since != short_since_.end() && now - short_since->second >= kPatience) {
    objective.well = false;
    objective.bad_ratio = static_cast<double>(desired - available) /
                          static_cast<double>(std::max<std::int64_t>(1, desired));
    objective.sentence = fmt::format("{} of {} pods are available", available, desired);
  }
  for (const ObjectPtr& pod : pods) {
    if (!selector || pod->deleting() || !selector->Matches(At(pod->json(), "metadata.labels")))
      continue;
    const std::string why = WhyItCannotStart(*pod);
    if (why.empty()) continue;
    objective.well = false;
    objective.bad_ratio = std::max(objective.bad_ratio,
                                   1.0 / static_cast<double>(std::max<std::int64_t>(1, desired)));
    objective.sentence = fmt::format("{} cannot start: {}", pod->name(), why);
  }
  return objective;
}

base::Result<std::vector<Objective>> WorkloadObjectives::State(base::WallTime now) {
  auto state = users_.State(now);
  // A list that is not in yet says nothing of any pod.
  if (!state || !informers_.AllSynced()) return state;
  for (const std::string& ns : namespaces_) {
    const std::vector<ObjectPtr> pods = informers_.For(kube::kPod, {.ns = ns}).List(ns);
    for (const ObjectPtr& deployment : informers_.For(kube::kDeployment, {.ns = ns}).List(ns))
      state->push_back(StateOf(*deployment, pods));
  }
  return state;
}

}  // namespace enclave::agent
