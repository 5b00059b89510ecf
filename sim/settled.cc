#include "sim/settled.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cluster/controllers/objects.h"
#include "cluster/controllers/pod_template.h"
#include "cluster/controllers/rollout.h"
#include "kube/selector.h"

namespace enclave::sim {
namespace {

using cluster::ControllerUid;
using cluster::ItemsAt;
using kube::At;
using kube::IntAt;
using kube::Json;
using kube::ObjectPtr;
using kube::StringAt;
using Why = std::optional<std::string>;

std::vector<ObjectPtr> All(World& world, const kube::Kind& kind) {
  return world.store.List(kind.GroupResource(), "").items;
}

std::string Name(const kube::Object& object) {
  return StringAt(object.json(), "kind") + " " + object.ns() + "/" + object.name();
}

Why CheckOwnersAndDeletions(World& world, const std::vector<kube::Kind>& kinds) {
  std::set<std::string> uids;
  for (const kube::Kind& kind : kinds) {
    for (const ObjectPtr& object : All(world, kind)) uids.insert(object->uid());
  }
  for (const kube::Kind& kind : kinds) {
    for (const ObjectPtr& object : All(world, kind)) {
      if (object->deleting()) return Name(*object) + " is still being deleted";
      for (const Json& reference : ItemsAt(object->json(), "metadata.ownerReferences")) {
        if (!uids.contains(StringAt(reference, "uid"))) {
          return Name(*object) + " has an owner that is gone: " + StringAt(reference, "name");
        }
      }
    }
  }
  return std::nullopt;
}

Why CheckReplicaSets(World& world) {
  std::map<std::string, std::int64_t> active;
  for (const ObjectPtr& pod : All(world, kube::kPod)) {
    if (cluster::PodActive(*pod)) ++active[ControllerUid(pod->json())];
  }
  for (const ObjectPtr& set : All(world, kube::kReplicaSet)) {
    const std::int64_t wanted = cluster::ReplicasOf(set->json());
    if (active[set->uid()] != wanted) {
      return fmt::format("{} asks for {} pods and has {}", Name(*set), wanted, active[set->uid()]);
    }
    for (const char* field :
         {"replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"}) {
      const std::int64_t count = IntAt(set->json(), std::string("status.") + field);
      if (count != wanted) {
        return fmt::format("{}: status.{} is {} of {}", Name(*set), field, count, wanted);
      }
    }
  }
  return std::nullopt;
}

Why CheckDeployment(World& world, const kube::Object& deployment) {
  const Json& json = deployment.json();
  const std::int64_t wanted = cluster::ReplicasOf(json);
  if (IntAt(json, "status.observedGeneration") != IntAt(json, "metadata.generation")) {
    return Name(deployment) + " is not observed";
  }
  for (const char* field : {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"}) {
    const std::int64_t count = IntAt(json, std::string("status.") + field);
    if (count != wanted) {
      return fmt::format("{}: status.{} is {} of {}", Name(deployment), field, count, wanted);
    }
  }
  if (IntAt(json, "status.unavailableReplicas") != 0) {
    return Name(deployment) + " has unavailable pods";
  }
  const Json* available = cluster::ConditionOf(json, "Available");
  const Json* progressing = cluster::ConditionOf(json, "Progressing");
  if (available == nullptr || StringAt(*available, "status") != "True") {
    return Name(deployment) + " is not Available";
  }
  if (progressing == nullptr || StringAt(*progressing, "reason") != "NewReplicaSetAvailable") {
    return Name(deployment) + ": Progressing is " +
           (progressing == nullptr ? "absent" : StringAt(*progressing, "reason"));
  }
  std::int64_t of_template = 0, old_sets = 0, newest = 0;
  for (const ObjectPtr& set : All(world, kube::kReplicaSet)) {
    if (ControllerUid(set->json()) != deployment.uid()) continue;
    const bool same =
        cluster::SameTemplate(At(set->json(), "spec.template"), At(json, "spec.template"));
    of_template += same;
    old_sets += !same;
    if (!same && cluster::ReplicasOf(set->json()) != 0) {
      return Name(*set) + " is of an old template and has pods";
    }
    newest = std::max(newest, cluster::RevisionOf(set->json()));
    if (same && cluster::AnnotationOf(set->json(), cluster::kRevisionAnnotation) !=
                    cluster::AnnotationOf(json, cluster::kRevisionAnnotation)) {
      return Name(deployment) + " and its ReplicaSet are of different revisions";
    }
  }
  if (of_template != 1) {
    return fmt::format("{} has {} ReplicaSets of its template", Name(deployment), of_template);
  }
  if (cluster::RevisionOf(json) != newest) {
    return Name(deployment) + " is not of the newest revision";
  }
  if (old_sets > IntAt(json, "spec.revisionHistoryLimit", 10)) {
    return fmt::format("{} keeps {} old ReplicaSets", Name(deployment), old_sets);
  }
  return std::nullopt;
}

Why CheckEndpoints(World& world) {
  for (const ObjectPtr& service : All(world, kube::kService)) {
    const Json& selector = At(service->json(), "spec.selector");
    if (!selector.is_object() || selector.empty()) continue;
    const auto labels = kube::LabelSelector::FromMap(selector);
    std::set<std::string> wanted;
    for (const ObjectPtr& pod : world.store.List(kube::kPod.GroupResource(), service->ns()).items) {
      if (labels.Matches(At(pod->json(), "metadata.labels")) && cluster::PodActive(*pod) &&
          cluster::PodReady(pod->json())) {
        wanted.insert(StringAt(pod->json(), "status.podIP"));
      }
    }
    std::set<std::string> in_endpoints, in_slices;
    const ObjectPtr endpoints =
        world.store.Get({kube::kEndpoints.GroupResource(), service->ns(), service->name()});
    if (endpoints == nullptr) return Name(*service) + " has no Endpoints";
    for (const Json& subset : ItemsAt(endpoints->json(), "subsets")) {
      for (const Json& address : ItemsAt(subset, "addresses")) {
        in_endpoints.insert(StringAt(address, "ip"));
      }
    }
    for (const ObjectPtr& slice : All(world, kube::kEndpointSlice)) {
      if (ControllerUid(slice->json()) != service->uid()) continue;
      for (const Json& endpoint : ItemsAt(slice->json(), "endpoints")) {
        if (!kube::BoolAt(endpoint, "conditions.ready")) continue;
        for (const Json& address : ItemsAt(endpoint, "addresses")) {
          if (address.is_string()) in_slices.insert(address.get<std::string>());
        }
      }
    }
    if (in_endpoints != wanted) {
      return fmt::format("{}: Endpoints have {}, ready are {}", Name(*service), in_endpoints,
                         wanted);
    }
    if (in_slices != wanted) {
      return fmt::format("{}: EndpointSlices have {}, ready are {}", Name(*service), in_slices,
                         wanted);
    }
  }
  return std::nullopt;
}

Why CheckContainers(World& world) {
  std::set<std::pair<std::string, std::string>> running;
  for (const cluster::ContainerId& id : world.runtime.Running()) {
    if (!running.emplace(id.pod_uid, id.container).second) {
      return "container " + id.container + " of pod " + id.pod_uid + " runs twice";
    }
  }
  std::set<std::pair<std::string, std::string>> wanted;
  for (const ObjectPtr& pod : All(world, kube::kPod)) {
    for (const Json& status : ItemsAt(pod->json(), "status.containerStatuses")) {
      if (At(status, "state.running").is_object()) {
        wanted.emplace(pod->uid(), StringAt(status, "name"));
      }
    }
  }
  for (const auto& [uid, container] : running) {
    if (!wanted.contains({uid, container})) {
      return "container " + container + " of pod " + uid + " runs and no pod says so";
    }
  }
  if (running.size() != wanted.size()) return "a pod says that a container runs which does not";
  return std::nullopt;
}

}  // namespace

Why WhyNotSettled(World& world) {
  const std::vector<kube::Kind> kinds = cluster::ControllerManager::Options().kinds;
  if (Why why = CheckOwnersAndDeletions(world, kinds)) return why;
  if (Why why = CheckReplicaSets(world)) return why;
  for (const ObjectPtr& deployment : All(world, kube::kDeployment)) {
    if (Why why = CheckDeployment(world, *deployment)) return why;
  }
  if (Why why = CheckEndpoints(world)) return why;
  return CheckContainers(world);
}

Why WhyCachesDiffer(World& world) {
  for (const kube::Kind& kind : cluster::ControllerManager::Options().kinds) {
    const auto stored = All(world, kind);
    const auto cached = world.plane_informers().For(kind).List();
    std::map<std::pair<std::string, std::string>, std::string> texts;
    for (const ObjectPtr& object : cached) {
      texts[{object->ns(), object->name()}] = object->text();
    }
    if (cached.size() != stored.size()) {
      return fmt::format("the cache of {} has {} objects, the store {}", kind.plural, cached.size(),
                         stored.size());
    }
    for (const ObjectPtr& object : stored) {
      if (texts[{object->ns(), object->name()}] != object->text()) {
        return "the cache has another " + Name(*object) + " than the store";
      }
    }
  }
  return std::nullopt;
}

Why WhatIsLeft(World& world) {
  static const std::set<std::string> kSystem = {"default", "kube-system", "kube-public",
                                                "kube-node-lease"};
  for (const kube::Kind& kind : cluster::ControllerManager::Options().kinds) {
    for (const ObjectPtr& object : All(world, kind)) {
      const std::string& scope = kind.kind == "Namespace" ? object->name() : object->ns();
      if (kind.kind == "Node" || kSystem.contains(scope)) continue;
      return Name(*object) + " is left";
    }
  }
  if (const auto containers = world.runtime.List(); !containers.empty()) {
    return fmt::format("{} containers are left, one of pod {}", containers.size(),
                       containers.front().id.pod_uid);
  }
  if (const std::size_t pods = world.kubelet().pod_count(); pods > 0) {
    return fmt::format("the kubelet still knows {} pods", pods);
  }
  return std::nullopt;
}

}  // namespace enclave::sim
