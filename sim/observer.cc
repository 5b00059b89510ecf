#include "sim/observer.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "cluster/controllers/objects.h"
#include "cluster/controllers/rollout.h"

namespace enclave::sim {

using cluster::ControllerUid;
using cluster::ItemsAt;
using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;

Observer::Observer(cluster::Store& store, kube::Api& api, base::Executor& executor,
                   const std::vector<kube::Kind>& kinds, Knowledge knowledge)
    : store_(store), knowledge_(std::move(knowledge)) {
  for (const kube::Kind& kind : kinds) {
    auto watcher = std::make_unique<Watcher>();
    watcher->kind = kind;
    Watcher* raw = watcher.get();
    auto subscription = store_.Subscribe(
        kind.GroupResource(), kube::Revision::kNone, [this, raw](const cluster::Change& change) {
          raw->committed.emplace_back(change.type, change.revision);
          OnChange(change);
        });
    CHECK(subscription.has_value(), "a store takes subscribers from now on");
    subscriptions_.push_back(std::move(*subscription));
    auto handle = api.Watch(
        kind, {}, store_.revision(), executor, [this, raw](const kube::WatchEvent& event) {
          if (event.type == kube::EventType::kBookmark) return;
          if (event.type == kube::EventType::kError) {
            Fail("a watch of " + raw->kind.plural +
                 " ended by itself: " + (event.error ? event.error->ToString() : "no reason"));
            return;
          }
          if (raw->committed.empty() || raw->committed.front().first != event.type ||
              raw->committed.front().second != event.revision) {
            Fail(fmt::format("a watcher of {} saw revision {} which is not the next committed",
                             raw->kind.plural, static_cast<std::uint64_t>(event.revision)));
            return;
          }
          raw->committed.pop_front();
        });
    CHECK(handle.has_value(), "the API lets every kind be watched");
    raw->handle = std::move(*handle);
    watchers_.push_back(std::move(watcher));
  }
}

Observer::~Observer() = default;

void Observer::Fail(const std::string& what) {
  if (!failure_) failure_ = what;
}

void Observer::CheckWatchersAreComplete() {
  for (const auto& watcher : watchers_) {
    if (!watcher->committed.empty()) {
      Fail(fmt::format("watchers of {} miss {} changes", watcher->kind.plural,
                       watcher->committed.size()));
    }
  }
}

void Observer::OnChange(const cluster::Change& change) {
  ++changes_;
  for (const char byte : change.object->text()) {
    digest_ = (digest_ ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  }
  CheckHistory(change);
  const std::string& kind = StringAt(change.object->json(), "kind");
  ++by_resource_[kind];
  if (kind == "Pod") CheckPod(change);
  if (kind == "ReplicaSet") CheckReplicaSet(change);
  if (kind == "Deployment") CheckDeployment(change);
  if (!calm_.empty() && kind == "Pod") CheckCalm();
}

void Observer::CheckHistory(const cluster::Change& change) {
  const kube::Object& now = *change.object;
  const std::string what = StringAt(now.json(), "kind") + " " + now.ns() + "/" + now.name();
  if (change.revision <= last_revision_) Fail("revisions do not grow at " + what);
  last_revision_ = change.revision;
  if (now.revision() != change.revision) Fail(what + " does not carry its revision");
  if (change.previous == nullptr) return;
  const kube::Object& before = *change.previous;
  if (before.uid() != now.uid()) Fail(what + " changed its uid");
  if (StringAt(before.json(), "metadata.creationTimestamp") !=
      StringAt(now.json(), "metadata.creationTimestamp")) {
    Fail(what + " changed its time of creation");
  }
  if (change.type == kube::EventType::kDeleted) return;
  if (before.deleting() && !now.deleting()) Fail(what + " came back from deletion");
  const std::int64_t old_generation = IntAt(before.json(), "metadata.generation");
  const std::int64_t generation = IntAt(now.json(), "metadata.generation");
  if (generation < old_generation) Fail(what + ": generation falls");
  if (generation == old_generation && generation > 0 && StringAt(now.json(), "kind") != "Pod" &&
      At(before.json(), "spec") != At(now.json(), "spec")) {
    Fail(what + ": spec changed and generation did not");
  }
  if (IntAt(now.json(), "status.observedGeneration") > generation) {
    Fail(what + ": status tells of a generation to come");
  }
}

std::vector<ObjectPtr> Observer::OwnedBy(const kube::Kind& kind, const std::string& ns,
                                         const std::string& uid) const {
  std::vector<ObjectPtr> owned;
  for (const ObjectPtr& object : store_.List(kind.GroupResource(), ns).items) {
    if (ControllerUid(object->json()) == uid) owned.push_back(object);
  }
  return owned;
}

void Observer::CheckPod(const cluster::Change& change) {
  const kube::Object& pod = *change.object;
  const std::string what = "pod " + pod.ns() + "/" + pod.name();
  const std::string& ip = StringAt(pod.json(), "status.podIP");
  const bool gone = change.type == kube::EventType::kDeleted;
  if (!ip.empty()) {
    const auto owner = address_owner_.find(ip);
    if (gone || cluster::PodTerminal(pod.json())) {
      if (owner != address_owner_.end() && owner->second == pod.uid()) {
        address_owner_.erase(owner);
      }
    } else if (owner == address_owner_.end()) {
      address_owner_[ip] = pod.uid();
    } else if (owner->second != pod.uid()) {
      Fail(fmt::format("{} has the address {} of another living pod", what, ip));
    }
  }
  if (change.previous != nullptr && !gone) {
    const Json& before = change.previous->json();
    const std::string& node = StringAt(before, "spec.nodeName");
    if (!node.empty() && node != StringAt(pod.json(), "spec.nodeName")) {
      Fail(what + " moved to another node");
    }
    if (cluster::PodTerminal(before) &&
        StringAt(before, "status.phase") != StringAt(pod.json(), "status.phase")) {
      Fail(what + " came back from its end");
    }
    for (const Json& status : ItemsAt(pod.json(), "status.containerStatuses")) {
      for (const Json& old_status : ItemsAt(before, "status.containerStatuses")) {
        if (StringAt(status, "name") == StringAt(old_status, "name") &&
            IntAt(status, "restartCount") < IntAt(old_status, "restartCount")) {
          Fail(what + ": the restart count fell");
        }
      }
    }
  }
  if (change.type == kube::EventType::kAdded) CheckOwnerOf(pod);
  if (change.type != kube::EventType::kAdded || knowledge_.less()) return;
  const std::string& owner_uid = ControllerUid(pod.json());
  for (const ObjectPtr& set : store_.List(kube::kReplicaSet.GroupResource(), pod.ns()).items) {
    if (set->uid() != owner_uid) continue;
    const auto pods = OwnedBy(kube::kPod, pod.ns(), owner_uid);
    const auto active =
        std::ranges::count_if(pods, [](const ObjectPtr& one) { return cluster::PodActive(*one); });
    if (active > cluster::ReplicasOf(set->json())) {
      Fail(fmt::format("ReplicaSet {} asks for {} pods and made the {}th", set->name(),
                       cluster::ReplicasOf(set->json()), active));
    }
  }
}

void Observer::CheckOwnerOf(const kube::Object& pod) {
  const std::string& uid = ControllerUid(pod.json());
  if (uid.empty() || knowledge_.less()) return;
  const auto sets = store_.List(kube::kReplicaSet.GroupResource(), pod.ns()).items;
  const bool there = std::ranges::any_of(sets, [&](const ObjectPtr& s) { return s->uid() == uid; });
  if (!there && !knowledge_.holds(pod.ns(), uid)) {
    Fail(fmt::format("pod {}/{} is made for the controller {} which is gone, and known to be",
                     pod.ns(), pod.name(), uid));
  }
}

void Observer::CheckReplicaSet(const cluster::Change& change) {
  const kube::Object& set = *change.object;
  if (change.type == kube::EventType::kDeleted) return;
  const std::int64_t before =
      change.previous == nullptr ? 0 : cluster::ReplicasOf(change.previous->json());
  const std::int64_t now = cluster::ReplicasOf(set.json());
  if (change.previous != nullptr &&
      cluster::RevisionOf(set.json()) < cluster::RevisionOf(change.previous->json())) {
    Fail("ReplicaSet " + set.name() + ": its revision fell");
  }
  const auto versions = versions_.find(ControllerUid(set.json()));
  if (versions == versions_.end() || versions->second.empty() || before == now ||
      knowledge_.less()) {
    return;
  }
  const auto sets = OwnedBy(kube::kReplicaSet, set.ns(), versions->first);
  if (now > before) {
    std::int64_t most = 0;
    for (const Version& version : versions->second) most = std::max(most, version.most);
    const std::int64_t sum = cluster::SumOfReplicas(sets);
    if (sum > most) {
      Fail(fmt::format("ReplicaSet {} was scaled up from {} to {}: {} pods asked for, {} allowed",
                       set.name(), before, now, sum, most));
    }
    return;
  }
  // Down. Within a rollout proper only: one size, not paused, not being scaled.
  const Version& first = versions->second.front();
  for (const Version& version : versions->second) {
    if (!version.rolling || version.paused || version.replicas != first.replicas) return;
  }
  if (change.previous != nullptr &&
      cluster::AnnotationOf(change.previous->json(), cluster::kDesiredReplicasAnnotation) !=
          std::to_string(first.replicas)) {
    return;
  }
  std::int64_t available = 0;
  for (const ObjectPtr& one : sets) available += cluster::AvailableOf(one->json());
  const std::int64_t available_before =
      available - cluster::AvailableOf(set.json()) + cluster::AvailableOf(change.previous->json());
  std::int64_t least = first.min_available;
  for (const Version& version : versions->second) least = std::min(least, version.min_available);
  if (available < available_before && available < least) {
    Fail(fmt::format(
        "ReplicaSet {} was scaled down from {} to {}: {} of {} available, at least {} wanted",
        set.name(), before, now, available, available_before, least));
  }
}

void Observer::CheckDeployment(const cluster::Change& change) {
  const kube::Object& deployment = *change.object;
  if (change.type == kube::EventType::kDeleted) {
    versions_.erase(deployment.uid());
    return;
  }
  if (change.previous != nullptr &&
      cluster::RevisionOf(deployment.json()) < cluster::RevisionOf(change.previous->json()) &&
      !knowledge_.less()) {
    Fail("Deployment " + deployment.name() + ": its revision fell");
  }
  const cluster::RolloutBounds bounds = cluster::BoundsOf(deployment.json());
  std::deque<Version>& versions = versions_[deployment.uid()];
  const std::int64_t generation = IntAt(deployment.json(), "metadata.generation");
  if (versions.empty() || versions.back().generation != generation) {
    versions.push_back({.generation = generation,
                        .replicas = bounds.replicas,
                        .most = bounds.replicas + bounds.max_surge,
                        .min_available = bounds.MinAvailable(),
                        .rolling = bounds.rolling,
                        .paused = kube::BoolAt(deployment.json(), "spec.paused")});
  }
  const std::int64_t observed = IntAt(deployment.json(), "status.observedGeneration");
  while (versions.size() > 1 && versions.front().generation < observed) versions.pop_front();
}

void Observer::CheckCalm() {
  for (const ObjectPtr& deployment : store_.List(kube::kDeployment.GroupResource(), "").items) {
    if (!calm_.contains(deployment->uid())) continue;
    const cluster::RolloutBounds bounds = cluster::BoundsOf(deployment->json());
    std::int64_t ready = 0;
    for (const ObjectPtr& set : OwnedBy(kube::kReplicaSet, deployment->ns(), deployment->uid())) {
      for (const ObjectPtr& pod : OwnedBy(kube::kPod, set->ns(), set->uid())) {
        ready += cluster::PodActive(*pod) && cluster::PodReady(pod->json());
      }
    }
    if (ready < bounds.MinAvailable()) {
      Fail(fmt::format("calm rollout of {}: {} pods ready, at least {} wanted", deployment->name(),
                       ready, bounds.MinAvailable()));
    }
  }
}

}  // namespace enclave::sim
