#include "lab/drills/footprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace enclave::lab::drills {
namespace {

using base::Result;

// A Deployment's status is written all the time, its generation moves with its spec alone. The
// other kinds have no status that anybody writes.
std::string MarkOf(const kube::Object& object) {
  const Json& generation = kube::At(object.json(), "metadata.generation");
  return object.uid() +
         (generation.is_number_integer()
              ? fmt::format(" generation {}", generation.get<std::int64_t>())
              : fmt::format(" revision {}", static_cast<std::uint64_t>(object.revision())));
}

// The Deployment of a pod: its ReplicaSet's name without the hash. "" when a ReplicaSet made none.
std::string DeploymentOf(const kube::Object& pod) {
  for (const Json& owner : kube::At(pod.json(), "metadata.ownerReferences"))
    if (kube::StringAt(owner, "kind") == "ReplicaSet") {
      const std::string& name = kube::StringAt(owner, "name");
      return name.substr(0, name.rfind('-'));
    }
  return "";
}

}  // namespace

Result<Footprint> TakeFootprint(kube::Api& cluster, const std::vector<std::string>& spaces) {
  static const std::array kKinds{kube::kDeployment, kube::kService, kube::kConfigMap, kube::kSecret,
                                 kube::kServiceAccount};
  Footprint footprint;
  for (const std::string& ns : spaces) {
    for (const kube::Kind& kind : kKinds) {
      ASSIGN_OR_RETURN(const auto objects, cluster.List(kind, {.ns = ns}));
      for (const auto& object : objects.items)
        footprint.objects[fmt::format("{}/{}/{}", ns, kind.kind, object->name())] = MarkOf(*object);
    }
    ASSIGN_OR_RETURN(const auto pods, cluster.List(kube::kPod, {.ns = ns}));
    for (const auto& pod : pods.items)
      if (const std::string workload = DeploymentOf(*pod); !workload.empty() && !pod->deleting())
        footprint.pods[fmt::format("{}/Deployment/{}", ns, workload)].insert(pod->uid());
  }
  ASSIGN_OR_RETURN(const auto nodes, cluster.List(kube::kNode, {}));
  for (const auto& node : nodes.items)
    footprint.objects["/Node/" + node->name()] =
        kube::BoolAt(node->json(), "spec.unschedulable") ? "cordoned" : "in use";
  return footprint;
}

std::vector<std::string> Touched(const Footprint& before, const Footprint& after,
                                 const std::string& ns, const std::vector<std::string>& may_touch) {
  const auto allowed = [&](const std::string& object) {
    return std::ranges::any_of(may_touch,
                               [&](const std::string& name) { return object == ns + "/" + name; });
  };
  std::vector<std::string> touched;
  for (const auto& [object, mark] : before.objects) {
    if (allowed(object)) continue;
    const auto now = after.objects.find(object);
    if (now == after.objects.end())
      touched.push_back(object + " is gone");
    else if (now->second != mark)
      touched.push_back(object + " was changed");
  }
  for (const auto& [object, mark] : after.objects)
    if (!allowed(object) && !before.objects.contains(object)) touched.push_back(object + " is new");
  for (const auto& [workload, pods] : before.pods) {
    if (allowed(workload)) continue;
    const auto now = after.pods.find(workload);
    if (now == after.pods.end() || now->second != pods)
      touched.push_back(workload + " has other pods");
  }
  return touched;
}

}  // namespace enclave::lab::drills
