#include "cluster/scheduler/scheduler.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using kube::At;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

// Without any event a refused pod is looked at again after this long.
constexpr std::chrono::minutes kLookAgain{5};

bool Ended(const Json& pod) {
  const std::string& phase = StringAt(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

// Takes room on the node in spec.nodeName.
bool Occupies(const kube::Object& pod) {
  return !StringAt(pod.json(), "spec.nodeName").empty() && !Ended(pod.json());
}

bool IsMine(const kube::Object& pod) {
  const std::string& scheduler = StringAt(pod.json(), "spec.schedulerName");
  const Json& gates = At(pod.json(), "spec.schedulingGates");
  return StringAt(pod.json(), "spec.nodeName").empty() && !pod.deleting() && !Ended(pod.json()) &&
         (scheduler.empty() || scheduler == Scheduler::kName) &&
         (!gates.is_array() || gates.empty());
}

// Whether a node's change can make room. Heartbeats do not.
bool RoomChanged(const Json& before, const Json& after) {
  return NodeReady(before) != NodeReady(after) || At(before, "spec") != At(after, "spec") ||
         At(before, "metadata.labels") != At(after, "metadata.labels") ||
         At(before, "status.allocatable") != At(after, "status.allocatable") ||
         At(before, "status.capacity") != At(after, "status.capacity");
}

// Higher is better: the mean free share of cpu and memory after placing, less the share of pods.
double ScoreOf(const Resources& allocatable, const Resources& used, const Resources& request) {
  const auto free_share = [](std::int64_t all, std::int64_t taken) {
    return all <= 0 ? 0.0 : static_cast<double>(all - taken) / static_cast<double>(all);
  };
  return free_share(allocatable.cpu_millis, used.cpu_millis + request.cpu_millis) +
         free_share(allocatable.memory_bytes, used.memory_bytes + request.memory_bytes) +
         free_share(allocatable.pods, used.pods + 1);
}

}  // namespace

Scheduler::Scheduler(kube::SharedInformers& informers)
    : informers_(informers),
      pods_(informers.For(kube::kPod)),
      nodes_(informers.For(kube::kNode)),
      events_(informers, kName),
      reconciler_(informers, {.name = "scheduler"},
                  [this](const kube::ObjectName& key) { return Schedule(key); }) {
  pods_.OnChange([this](const ObjectPtr& before, const ObjectPtr& after) { OnPod(before, after); });
  nodes_.OnChange(
      [this](const ObjectPtr& before, const ObjectPtr& after) { OnNode(before, after); });
}

void Scheduler::OnPod(const ObjectPtr& before, const ObjectPtr& after) {
  const bool occupied = before != nullptr && Occupies(*before);
  const bool occupies = after != nullptr && Occupies(*after);
  if (occupied) {
    const auto node = used_.find(StringAt(before->json(), "spec.nodeName"));
    if (node != used_.end()) {
      node->second -= RequestOf(before->json());
      if (node->second == Resources{}) used_.erase(node);
    }
  }
  if (occupies) used_[StringAt(after->json(), "spec.nodeName")] += RequestOf(after->json());
  if (occupied && !occupies) RetryUnschedulable();

  if (after == nullptr) {
    unschedulable_.erase({before->ns(), before->name()});
    return;
  }
  if (!IsMine(*after)) {
    unschedulable_.erase({after->ns(), after->name()});
    return;
  }
  // Only what the pod asks for decides; our own condition on it must not start another round.
  if (before == nullptr || !IsMine(*before) || before->uid() != after->uid() ||
      At(before->json(), "spec") != At(after->json(), "spec")) {
    reconciler_.Enqueue({after->ns(), after->name()});
  }
}

void Scheduler::OnNode(const ObjectPtr& before, const ObjectPtr& after) {
  if (after == nullptr) return;
  if (before == nullptr || RoomChanged(before->json(), after->json())) RetryUnschedulable();
}

void Scheduler::RetryUnschedulable() {
  for (const kube::ObjectName& key : unschedulable_) reconciler_.Enqueue(key);
}

kube::Reconciler::Outcome Scheduler::Schedule(const kube::ObjectName& key) {
  const ObjectPtr pod = pods_.Get(key.ns, key.name);
  if (pod == nullptr || !IsMine(*pod)) {
    unschedulable_.erase(key);
    return std::nullopt;
  }
  const Resources request = RequestOf(pod->json());
  const std::vector<ObjectPtr> nodes = nodes_.List();
  std::map<std::string, int> reasons;
  const kube::Object* best = nullptr;
  double best_score = 0;
  for (const ObjectPtr& node : nodes) {
    const Json& json = node->json();
    if (node->deleting() || kube::BoolAt(json, "spec.unschedulable")) {
      ++reasons["node(s) were unschedulable"];
      continue;
    }
    if (!NodeReady(json)) {
      ++reasons["node(s) were not ready"];
      continue;
    }
    if (const Json* taint = UntoleratedTaint(pod->json(), json)) {
      ++reasons[fmt::format("node(s) had untolerated taint {{{}: {}}}", StringAt(*taint, "key"),
                            StringAt(*taint, "value"))];
      continue;
    }
    if (!MatchesNodeSelection(pod->json(), json)) {
      ++reasons["node(s) didn't match Pod's node affinity/selector"];
      continue;
    }
    const Resources allocatable = AllocatableOf(json);
    const auto found = used_.find(node->name());
    const Resources used = found == used_.end() ? Resources{} : found->second;
    bool fits = true;
    if (used.pods + 1 > allocatable.pods) {
      ++reasons["Too many pods"];
      fits = false;
    }
    if (request.cpu_millis > 0 && used.cpu_millis + request.cpu_millis > allocatable.cpu_millis) {
      ++reasons["Insufficient cpu"];
      fits = false;
    }
    if (request.memory_bytes > 0 &&
        used.memory_bytes + request.memory_bytes > allocatable.memory_bytes) {
      ++reasons["Insufficient memory"];
      fits = false;
    }
    if (!fits) continue;
    const double score = ScoreOf(allocatable, used, request);
    if (best == nullptr || score > best_score) {
      best = node.get();
      best_score = score;
    }
  }
  if (best != nullptr) {
    unschedulable_.erase(key);
    RETURN_IF_ERROR(Bind(*pod, best->name()));
    return std::nullopt;
  }
  unschedulable_.insert(key);
  if (nodes.empty()) return Refuse(*pod, "no nodes available to schedule pods");
  // Kubernetes sorts the reasons as text, count first.
  std::vector<std::string> texts;
  for (const auto& [reason, count] : reasons) texts.push_back(fmt::format("{} {}", count, reason));
  std::ranges::sort(texts);
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + text;
  return Refuse(*pod, fmt::format("0/{} nodes are available: {}.", nodes.size(), list));
}

base::Result<> Scheduler::Bind(const kube::Object& pod, const std::string& node) {
  Json bound = pod.json();
  bound["spec"]["nodeName"] = node;
  const auto written = informers_.api().Update(kube::kPod, std::move(bound), "binding");
  if (!written) {
    if (written.error().kind() == ErrorKind::kNotFound) return {};
    return std::unexpected(written.error().While("binding pod " + pod.ns() + "/" + pod.name()));
  }
  events_.Record(pod, "Normal", "Scheduled",
                 fmt::format("Successfully assigned {}/{} to {}", pod.ns(), pod.name(), node));
  return {};
}

kube::Reconciler::Outcome Scheduler::Refuse(const kube::Object& pod, const std::string& message) {
  events_.Record(pod, "Warning", "FailedScheduling", message);
  Json changed = pod.json();
  if (!changed["status"].is_object()) changed["status"] = Json::object();
  Json& conditions = changed["status"]["conditions"];
  if (!conditions.is_array()) conditions = Json::array();
  const std::string now = kube::FormatTime(informers_.executor().WallNow());
  Json fresh{{"type", "PodScheduled"},
             {"status", "False"},
             {"reason", "Unschedulable"},
             {"message", message},
             {"lastTransitionTime", now}};
  bool found = false;
  for (Json& condition : conditions) {
    if (StringAt(condition, "type") != "PodScheduled") continue;
    found = true;
    if (StringAt(condition, "status") == "False") {
      if (StringAt(condition, "message") == message) return kLookAgain;
      fresh["lastTransitionTime"] = StringAt(condition, "lastTransitionTime");
    }
    condition = fresh;
  }
  if (!found) conditions.push_back(std::move(fresh));
  const auto written = informers_.api().Update(kube::kPod, std::move(changed), "status");
  if (!written && written.error().kind() != ErrorKind::kNotFound) {
    return std::unexpected(written.error());
  }
  return kLookAgain;
}

}  // namespace enclave::cluster
