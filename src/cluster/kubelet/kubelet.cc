#include "cluster/kubelet/kubelet.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <vector>

#include "base/log.h"
#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/node_agent.h"
#include "cluster/kubelet/one_shot.h"
#include "cluster/kubelet/pod_fields.h"
#include "cluster/kubelet/pod_worker.h"
#include "cluster/kubelet/usage_sampler.h"
#include "kube/quantity.h"

namespace enclave::cluster {

using kube::Json;
using kube::ObjectName;
using kube::ObjectPtr;

namespace {

// What containers of pods that no longer exist get between SIGTERM and SIGKILL (Kubernetes' own).
constexpr base::Duration kOrphanGrace = std::chrono::seconds(1);
// Wakes the reconciler once all caches are filled; no pod has this name.
const ObjectName kBegin{"", ""};

kube::ListOptions OnNode(const std::string& node) {
  kube::ListOptions options;
  options.fields = kube::FieldSelector::Equal("spec.nodeName", node);
  return options;
}

}  // namespace

struct Kubelet::Impl {
  Impl(KubeletOptions given_options, Dependencies given_ports)
      : options(std::move(given_options)),
        ports(std::move(given_ports)),
        objects(ports.informers),
        events(ports.informers, "kubelet"),
        context{options, ports, objects, events},
        pods(ports.informers.For(kube::kPod, OnNode(options.node_name))),
        usage(context, [this] { return Running(); }),
        node(context),
        orphan_timer(ports.informers.executor()),
        reconciler(ports.informers, {.name = "kubelet"},
                   [this](const ObjectName& key) { return Reconcile(key); }) {
    ports.runtime.OnExit([this, alive = alive](const ContainerState& state) {
      if (*alive) HandleExit(state);
    });
    reconciler.EnqueueChangesOf(pods);
    WatchDependencies(objects.config_maps(), kube::kConfigMap);
    WatchDependencies(objects.secrets(), kube::kSecret);
    reconciler.Enqueue(kBegin);
  }

  ~Impl() { *alive = false; }

  void WatchDependencies(kube::Informer& informer, const kube::Kind& kind) {
    informer.OnChange([this, kind, alive = alive](const ObjectPtr& before, const ObjectPtr& after) {
      if (!*alive || !begun) return;
      const kube::Object& object = after != nullptr ? *after : *before;
      if (before != nullptr && after != nullptr && SameData(before->json(), after->json())) return;
      for (const auto& [uid, worker] : workers)
        if (worker->pod().ns() == object.ns()) worker->DependencyChanged(kind, object.name());
    });
  }

  static bool SameData(const Json& before, const Json& after) {
    return kube::At(before, "data") == kube::At(after, "data") &&
           kube::At(before, "binaryData") == kube::At(after, "binaryData");
  }

  kube::Reconciler::Outcome Reconcile(const ObjectName& key) {
    if (!begun) Begin();
    const ObjectPtr pod = pods.Get(key.ns, key.name);
    const auto named = uids_by_name.find(key);
    if (named != uids_by_name.end()) {
      const std::set<std::string> uids = named->second;
      for (const std::string& uid : uids) {
        if (pod != nullptr && pod->uid() == uid) continue;
        const auto worker = workers.find(uid);
        if (worker->second->gone()) {
          Forget(uid);
        } else {
          worker->second->Removed();
        }
      }
    }
    if (pod == nullptr) return std::nullopt;
    const auto worker = workers.find(pod->uid());
    if (worker == workers.end()) {
      AddPod(pod, {});
    } else {
      worker->second->Update(pod);
      usage.Wake();
    }
    return std::nullopt;
  }

  // All caches are filled: adopt what runs and end what belongs to nobody.
  void Begin() {
    begun = true;
    std::map<std::string, std::vector<ContainerState>> runs;
    for (const ContainerState& state : ports.runtime.List())
      runs[state.id.pod_uid].push_back(state);
    std::size_t adopted = 0;
    for (const ObjectPtr& pod : pods.List()) {
      const auto found = runs.find(pod->uid());
      if (found == runs.end()) {
        AddPod(pod, {});
        continue;
      }
      adopted += found->second.size();
      AddPod(pod, found->second);
      runs.erase(found);
    }
    for (const auto& [uid, states] : runs)
      for (const ContainerState& state : states) AddOrphan(state);
    if (!orphans.empty()) orphan_timer.Set(kOrphanGrace, [this] { RemoveOrphans(); });
    for (const std::string& uid : ports.volumes.Pods())
      if (!workers.contains(uid) && !runs.contains(uid)) RemoveFiles(uid);
    base::LogInfo("kubelet", "kubelet began",
                  {{"node", options.node_name},
                   {"pods", workers.size()},
                   {"adopted_containers", adopted},
                   {"orphans", orphans.size()}});
  }

  void AddOrphan(const ContainerState& state) {
    orphans.push_back(state.id);
    if (!state.exit) (void)ports.runtime.Signal(state.id, SIGTERM);
  }

  void RemoveOrphans() {
    std::set<std::string> uids;
    for (const ContainerId& id : orphans) {
      ports.runtime.Remove(id);
      uids.insert(id.pod_uid);
    }
    orphans.clear();
    for (const std::string& uid : uids) RemoveFiles(uid);
  }

  void RemoveFiles(const std::string& uid) {
    ports.volumes.RemovePod(uid);
    if (ports.pod_removed) ports.pod_removed(uid);
  }

  void AddPod(const ObjectPtr& pod, const std::vector<ContainerState>& runs) {
    const ObjectName key{pod->ns(), pod->name()};
    const std::string uid = pod->uid();
    const auto rejection = runs.empty() ? CheckFits(*pod) : std::nullopt;
    const auto worker =
        std::make_shared<PodWorker>(context, pod, [this, key] { reconciler.Enqueue(key); });
    workers[uid] = worker;
    uids_by_name[key].insert(uid);
    if (rejection) {
      worker->Reject(rejection->reason, rejection->message);
    } else {
      worker->Begin(runs);
      usage.Hurry();
    }
  }

  void Forget(const std::string& uid) {
    const auto worker = workers.find(uid);
    const ObjectName key{worker->second->pod().ns(), worker->second->pod().name()};
    workers.erase(worker);
    usage.ForgetPod(uid);
    const auto named = uids_by_name.find(key);
    named->second.erase(uid);
    if (named->second.empty()) uids_by_name.erase(named);
  }

  struct Rejection {
    std::string reason;
    std::string message;
  };

  // A new pod that the node has no room for, whoever bound it here, is not begun.
  std::optional<Rejection> CheckFits(const kube::Object& pod) const {
    if (!kube::StringAt(pod.json(), "status.startTime").empty() || pod.deleting())
      return std::nullopt;
    PodRequests used;
    std::int64_t count = 0;
    for (const auto& [uid, worker] : workers) {
      if (!worker->active()) continue;
      const PodRequests requests = RequestsOf(worker->pod().json());
      used.cpu_millis += requests.cpu_millis;
      used.memory_bytes += requests.memory_bytes;
      ++count;
    }
    const PodRequests wanted = RequestsOf(pod.json());
    const NodeCapacity& capacity = options.capacity;
    const struct {
      const char* name;
      std::int64_t wanted;
      std::int64_t used;
      std::int64_t capacity;
    } resources[] = {{"pods", 1, count, capacity.pods},
                     {"cpu", wanted.cpu_millis, used.cpu_millis, capacity.cpu_millis},
                     {"memory", wanted.memory_bytes, used.memory_bytes, capacity.memory_bytes}};
    for (const auto& resource : resources) {
      if (resource.wanted == 0 || resource.wanted <= resource.capacity - resource.used) continue;
      return Rejection{
          fmt::format("OutOf{}", resource.name),
          fmt::format("Node didn't have enough resource: {}, requested: {}, used: {}, "
                      "capacity: {}",
                      resource.name, resource.wanted, resource.used, resource.capacity)};
    }
    return std::nullopt;
  }

  void HandleExit(const ContainerState& state) {
    const auto worker = workers.find(state.id.pod_uid);
    if (worker == workers.end()) return;
    if (state.exit && state.exit->oom_killed) {
      for (const auto& container : worker->second->containers())
        if (container->latest() == state.id)
          usage.CountOomKill(Sampled(worker->second->pod(), *container));
    }
    worker->second->HandleExit(state);
  }

  static SampledContainer Sampled(const kube::Object& pod, const ContainerWorker& container) {
    const bool main = container.kind() == ContainerWorker::Kind::kMain;
    const Json* manifest = EntryNamed(
        ListAt(pod.json(), main ? "spec.containers" : "spec.initContainers"), container.name());
    SampledContainer sampled;
    sampled.id = *container.latest();
    sampled.ns = pod.ns();
    sampled.pod = pod.name();
    sampled.started_at = container.began_at();
    if (manifest != nullptr) {
      sampled.image = kube::StringAt(*manifest, "image");
      sampled.memory_limit_bytes = kube::Quantity::At(*manifest, "resources.limits.memory").Value();
      sampled.cpu_limit_millis = kube::Quantity::At(*manifest, "resources.limits.cpu").MilliValue();
    }
    return sampled;
  }

  std::vector<SampledContainer> Running() const {
    std::vector<SampledContainer> running;
    for (const auto& [uid, worker] : workers)
      for (const auto& container : worker->containers())
        if (container->running()) running.push_back(Sampled(worker->pod(), *container));
    return running;
  }

  const KubeletOptions options;
  const Dependencies ports;
  const PodObjects objects;
  kube::EventRecorder events;
  const KubeletContext context;
  kube::Informer& pods;
  UsageSampler usage;
  NodeAgent node;
  bool begun = false;
  std::map<std::string, std::shared_ptr<PodWorker>> workers;  // by uid
  std::map<ObjectName, std::set<std::string>> uids_by_name;
  std::vector<ContainerId> orphans;
  OneShot orphan_timer;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  kube::Reconciler reconciler;
};

Kubelet::Kubelet(KubeletOptions options, Dependencies dependencies)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(dependencies))) {}

Kubelet::~Kubelet() = default;

std::size_t Kubelet::pod_count() const {
  return impl_->workers.size();
}

const UsageSampler& Kubelet::usage() const {
  return impl_->usage;
}

std::optional<ContainerId> Kubelet::LatestAttempt(const std::string& pod_uid,
                                                  const std::string& container) const {
  const auto worker = impl_->workers.find(pod_uid);
  if (worker == impl_->workers.end()) return std::nullopt;
  return worker->second->LatestAttempt(container);
}

}  // namespace enclave::cluster
