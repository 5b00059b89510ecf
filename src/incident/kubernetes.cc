#include "incident/kubernetes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "incident/kubernetes_read.h"
#include "kube/time.h"

namespace enclave::incident {
namespace {

using kube::Json;
using kube::StringAt;

constexpr std::size_t kMostText = 300;
// A pod that has just been made, or is about to go, fails its probes without anything being wrong.
constexpr std::int64_t kStartingNs = 60 * kSecondNs;
// Why a container does not run that is no ordinary start.
const std::set<std::string> kStuck = {
    "CrashLoopBackOff",  "ImagePullBackOff",           "ErrImagePull",         "InvalidImageName",
    "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
    "StartError",        "RegistryUnavailable"};

std::string ObjectKey(std::string_view kind, std::string_view ns, std::string_view name) {
  return fmt::format("{} {}/{}", kind, ns, name);
}

bool IsTrue(const Json& object, std::string_view condition) {
  for (const Json& one : kube::At(object, "status.conditions"))
    if (StringAt(one, "type") == condition) return StringAt(one, "status") == "True";
  return false;
}

class FactFinder {
 public:
  FactFinder(const KubernetesObjects& objects, const KubernetesIndex& index, const Window& window)
      : objects_(objects), index_(index), window_(window) {}

  std::vector<KubernetesFact> Find(const std::vector<Change>& changes) {
    for (const auto& pod : objects_.pods) Pod(pod->json());
    for (const auto& node : objects_.nodes) Node(node->json());
    for (const EventView& event : index_.events()) Event(event);
    for (const auto& deployment : objects_.deployments) Scaled(deployment->json(), changes);
    for (const auto& service : objects_.services) Endpoints(service->json(), changes);
    std::ranges::sort(facts_, {}, [](const KubernetesFact& fact) {
      return std::tie(fact.time_ns, fact.object, fact.reason, fact.message);
    });
    return std::move(facts_);
  }

 private:
  void Say(const Json& object, const char* kind, std::int64_t time_ns, std::string reason,
           std::string message, std::uint64_t count = 1) {
    facts_.push_back({.time_ns = time_ns,
                      .service = std::string_view(kind) == "Node" ? "" : ServiceOfObject(object),
                      .kind = kind,
                      .object = NameOf(object),
                      .reason = std::move(reason),
                      .message = Shortened(std::move(message)),
                      .count = count,
                      .warning = true});
  }

  void Pod(const Json& pod) {
    for (const char* list : {"status.initContainerStatuses", "status.containerStatuses"})
      for (const Json& status : kube::At(pod, list)) Container(pod, status);
    const std::string& reason = StringAt(pod, "status.reason");
    const std::int64_t made = NanosAt(pod, "metadata.creationTimestamp").value_or(window_.from_ns);
    if (StringAt(pod, "status.phase") == "Failed" && !reason.empty()) {
      std::int64_t since = made;
      for (const Json& condition : kube::At(pod, "status.conditions"))
        since = std::max(since, NanosAt(condition, "lastTransitionTime").value_or(0));
      if (IsInWindow(window_, since))
        Say(pod, "Pod", since, reason, StringAt(pod, "status.message"));
    }
    for (const Json& condition : kube::At(pod, "status.conditions"))
      if (StringAt(condition, "type") == "PodScheduled" &&
          StringAt(condition, "status") == "False" && made < window_.to_ns)
        Say(pod, "Pod", NanosAt(condition, "lastTransitionTime").value_or(made),
            StringAt(condition, "reason"), StringAt(condition, "message"));
  }

  void Container(const Json& pod, const Json& status) {
    const std::string& name = StringAt(status, "name");
    const auto restarts =
        static_cast<std::uint64_t>(std::max<std::int64_t>(kube::IntAt(status, "restartCount"), 0));
    std::int64_t ended = 0;
    for (const char* where : {"lastState.terminated", "state.terminated"}) {
      const Json& end = kube::At(status, where);
      const std::int64_t code = kube::IntAt(end, "exitCode");
      const std::int64_t at = NanosAt(end, "finishedAt").value_or(0);
      if (!end.is_object() || at == 0) continue;
      ended = std::max(ended, at);
      std::string reason = StringAt(end, "reason");
      if (reason == "Completed" && code == 0) continue;
      if (!IsInWindow(window_, at)) continue;
      if (reason.empty()) reason = "Error";
      const std::string& message = StringAt(end, "message");
      const std::int64_t signal = kube::IntAt(end, "signal");
      Say(pod, "Pod", at, reason,
          fmt::format("container {} ended with exit code {}{}, {} restarts so far{}{}", name, code,
                      signal == 0 ? "" : fmt::format(" (signal {})", signal), restarts,
                      message.empty() ? "" : ": ", message));
    }
    const std::string& waits = StringAt(status, "state.waiting.reason");
    if (!kStuck.contains(waits)) return;
    const std::int64_t since =
        ended != 0 ? ended : NanosAt(pod, "metadata.creationTimestamp").value_or(window_.from_ns);
    if (since >= window_.to_ns) return;
    Say(pod, "Pod", since, waits,
        fmt::format("container {} waits: {}", name, StringAt(status, "state.waiting.message")),
        std::max<std::uint64_t>(restarts, 1));
  }

  void Node(const Json& node) {
    for (const Json& condition : kube::At(node, "status.conditions")) {
      const std::string& type = StringAt(condition, "type");
      const std::string& status = StringAt(condition, "status");
      const bool ready = type == "Ready";
      if (ready ? status == "True" : status != "True") continue;
      const std::int64_t since = NanosAt(condition, "lastTransitionTime").value_or(window_.from_ns);
      if (since >= window_.to_ns) continue;
      Say(node, "Node", since, ready ? "NodeNotReady" : type,
          fmt::format("{} is {}: {}", type, status, StringAt(condition, "message")));
    }
  }

  // A probe that fails because its pod starts or ends.
  bool IsPassing(const EventView& event) const {
    if (event.reason != "Unhealthy" || event.kind != "Pod") return false;
    const Json* pod = index_.Pod(event.ns, event.name);
    if (pod == nullptr || kube::At(*pod, "metadata").contains("deletionTimestamp"))
      return std::ranges::any_of(index_.events(), [&](const EventView& other) {
        return other.reason == "Killing" && other.ns == event.ns && other.name == event.name;
      });
    if (!IsTrue(*pod, "Ready")) return false;
    const auto made = NanosAt(*pod, "metadata.creationTimestamp");
    return made && event.time_ns - *made < kStartingNs;
  }

  void Event(const EventView& event) {
    if (StringAt(*event.json, "type") != "Warning" || IsPassing(event)) return;
    const std::int64_t count =
        std::max({kube::IntAt(*event.json, "count"), kube::IntAt(*event.json, "series.count"),
                  std::int64_t{1}});
    facts_.push_back({.time_ns = event.time_ns,
                      .service = index_.ServiceOf(event.ns, event.kind, event.name),
                      .kind = event.kind,
                      .object = event.kind == "Node" ? event.name : event.ns + "/" + event.name,
                      .reason = event.reason,
                      .message = Shortened(event.message),
                      .count = static_cast<std::uint64_t>(count),
                      .warning = true});
  }

  // The last change of its number is why it is none; earlier ones are over.
  void Scaled(const Json& deployment, const std::vector<Change>& changes) {
    if (kube::IntAt(deployment, "spec.replicas", 1) != 0) return;
    const std::string object = "Deployment " + NameOf(deployment);
    const auto last = std::find_if(changes.rbegin(), changes.rend(), [&](const Change& change) {
      return change.kind == ChangeKind::kScale && change.object == object;
    });
    if (last != changes.rend() && last->to == "0 replicas")
      Say(deployment, "Deployment", last->time_ns, "ScaledToZero",
          fmt::format("it was scaled from {} to none", last->from));
  }

  // A Service without anybody who answers, though there is a workload of its name that should.
  void Endpoints(const Json& service, const std::vector<Change>& changes) {
    const Json& selector = kube::At(service, "spec.selector");
    if (!selector.is_object() || selector.empty()) return;
    const kube::LabelSelector wanted = kube::LabelSelector::FromMap(selector);
    const std::string name = ServiceOfObject(service);
    std::int64_t since = 0;
    bool should = false;
    for (const auto& pod : objects_.pods) {
      const Json& json = pod->json();
      if (pod->ns() != StringAt(service, "metadata.namespace")) continue;
      const bool selected = wanted.Matches(kube::At(json, "metadata.labels"));
      const bool goes = kube::At(json, "metadata").contains("deletionTimestamp");
      if (selected && !goes && IsTrue(json, "Ready")) return;
      // Ready pods of the workload that the selector misses, or selected ones that are not ready.
      should |= selected || ServiceOfObject(json) == name;
      if (goes) {
        // It stopped answering when it was told to go, which is its grace before it has to be gone.
        const auto gone = NanosAt(json, "metadata.deletionTimestamp");
        const std::int64_t grace_s = std::clamp<std::int64_t>(
            kube::IntAt(json, "metadata.deletionGracePeriodSeconds"), 0, 86'400);
        if (selected && gone) since = std::max(since, *gone - grace_s * kSecondNs);
      } else if (selected)
        for (const Json& condition : kube::At(json, "status.conditions"))
          if (StringAt(condition, "type") == "Ready")
            since = std::max(since, NanosAt(condition, "lastTransitionTime").value_or(0));
    }
    for (const Change& change : changes)
      if (change.service == name &&
          (change.kind == ChangeKind::kScale || change.kind == ChangeKind::kNetwork ||
           change.kind == ChangeKind::kDeletion)) {
        should = true;
        since = std::max(since, change.time_ns);
      }
    if (since == 0) since = window_.from_ns;
    if (!should || since >= window_.to_ns) return;
    Say(service, "Service", since, "NoEndpoints", "no ready pod has the labels that it selects");
  }

  const KubernetesObjects& objects_;
  const KubernetesIndex& index_;
  const Window window_;
  std::vector<KubernetesFact> facts_;
};

}  // namespace

std::optional<std::int64_t> NanosAt(const Json& object, std::string_view path) {
  const auto time = kube::TimeAt(object, path);
  if (!time) return std::nullopt;
  return time->time_since_epoch().count();
}

std::string MapText(const Json& map, const std::string& key) {
  if (!map.is_object()) return "";
  const auto found = map.find(key);
  return found != map.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string NameOf(const Json& object) {
  const std::string& ns = StringAt(object, "metadata.namespace");
  const std::string& name = StringAt(object, "metadata.name");
  return ns.empty() ? name : ns + "/" + name;
}

std::string ControllerOf(const Json& object) {
  for (const Json& owner : kube::At(object, "metadata.ownerReferences"))
    if (kube::BoolAt(owner, "controller")) return StringAt(owner, "name");
  return "";
}

std::string Shortened(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  if (text.size() <= kMostText) return text;
  std::size_t end = kMostText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

std::int64_t LastTimeOf(const Json& event) {
  for (const char* path : {"series.lastObservedTime", "lastTimestamp", "eventTime",
                           "firstTimestamp", "metadata.creationTimestamp"})
    if (const auto time = NanosAt(event, path)) return *time;
  return 0;
}

std::string ServiceOfObject(const Json& object) {
  const Json& labels = kube::At(object, "metadata.labels");
  for (const char* label : {"app", "app.kubernetes.io/name"})
    if (std::string name = MapText(labels, label); !name.empty()) return name;
  std::string owner = ControllerOf(object);
  if (owner.empty()) return StringAt(object, "metadata.name");
  // The name of a ReplicaSet is that of its Deployment and a hash.
  const std::string hash = MapText(labels, "pod-template-hash");
  if (!hash.empty() && owner.ends_with("-" + hash)) owner.resize(owner.size() - hash.size() - 1);
  return owner;
}

KubernetesIndex::KubernetesIndex(const KubernetesObjects& objects, const Window& window) {
  const auto add = [this](const char* kind, const std::vector<kube::ObjectPtr>& list) {
    for (const auto& object : list)
      by_name_[ObjectKey(kind, object->ns(), object->name())] = &object->json();
  };
  add("Pod", objects.pods);
  add("Deployment", objects.deployments);
  add("ReplicaSet", objects.replica_sets);
  add("Service", objects.services);
  for (const auto* list : {&objects.deployments, &objects.replica_sets})
    for (const auto& object : *list)
      workloads_[object->ns() + "/" + object->name()] = ServiceOfObject(object->json());
  for (const auto& object : objects.events) {
    const Json& json = object->json();
    // events.k8s.io has `regarding` and `note` for what the older API calls otherwise.
    const bool newer = kube::At(json, "regarding").is_object();
    const Json& about = kube::At(json, newer ? "regarding" : "involvedObject");
    const std::int64_t time = LastTimeOf(json);
    if (!IsInWindow(window, time)) continue;
    events_.push_back({.json = &json,
                       .time_ns = time,
                       .ns = StringAt(about, "namespace"),
                       .kind = StringAt(about, "kind"),
                       .name = StringAt(about, "name"),
                       .reason = StringAt(json, "reason"),
                       .message = StringAt(json, newer ? "note" : "message")});
  }
  std::ranges::sort(events_, {}, [](const EventView& event) {
    return std::tie(event.time_ns, event.ns, event.name, event.reason, event.message);
  });
}

const Json* KubernetesIndex::Find(const std::string& kind, const std::string& ns,
                                  const std::string& name) const {
  const auto found = by_name_.find(ObjectKey(kind, ns, name));
  return found == by_name_.end() ? nullptr : found->second;
}

const Json* KubernetesIndex::Pod(const std::string& ns, const std::string& name) const {
  return Find("Pod", ns, name);
}

std::string KubernetesIndex::ServiceOf(const std::string& ns, const std::string& kind,
                                       const std::string& name) const {
  if (kind == "Node") return "";
  if (const Json* object = Find(kind, ns, name)) return ServiceOfObject(*object);
  // A pod, or a set, that is gone: the longest name of a workload that its own begins with.
  std::string found = name;
  for (std::size_t end = name.rfind('-'); end != std::string::npos && end > 0;
       end = name.rfind('-', end - 1)) {
    const auto owner = workloads_.find(ns + "/" + name.substr(0, end));
    if (owner != workloads_.end()) return owner->second;
  }
  return found;
}

KubernetesObjects ListKubernetes(kube::Api& api, const KubernetesScope& scope,
                                 std::vector<std::string>* missing) {
  KubernetesObjects objects;
  const auto list = [&](const kube::Kind& kind, bool in_namespaces,
                        std::vector<kube::ObjectPtr>* into) {
    const std::vector<std::string> everywhere{""};
    for (const std::string& ns :
         in_namespaces && !scope.namespaces.empty() ? scope.namespaces : everywhere) {
      auto found = api.List(kind, {.ns = ns, .labels = {}, .fields = {}});
      if (!found) {
        if (missing != nullptr)
          missing->push_back(
              fmt::format("kubernetes: {}: {}", kind.plural, found.error().message()));
        return;
      }
      into->insert(into->end(), std::make_move_iterator(found->items.begin()),
                   std::make_move_iterator(found->items.end()));
    }
  };
  list(kube::kPod, true, &objects.pods);
  list(kube::kDeployment, true, &objects.deployments);
  list(kube::kReplicaSet, true, &objects.replica_sets);
  list(kube::kEvent, true, &objects.events);
  list(kube::kService, true, &objects.services);
  list(kube::kConfigMap, true, &objects.config_maps);
  list(kube::kNode, false, &objects.nodes);
  return objects;
}

KubernetesFindings FindKubernetes(const KubernetesObjects& objects, const Window& window) {
  const KubernetesIndex index(objects, window);
  KubernetesFindings findings;
  findings.changes = FindChanges(objects, index, window);
  findings.facts = FactFinder(objects, index, window).Find(findings.changes);
  return findings;
}

KubernetesFindings ReadKubernetes(kube::Api& api, const Window& window,
                                  const KubernetesScope& scope) {
  std::vector<std::string> missing;
  const KubernetesObjects objects = ListKubernetes(api, scope, &missing);
  KubernetesFindings findings = FindKubernetes(objects, window);
  findings.missing = std::move(missing);
  return findings;
}

}  // namespace enclave::incident
