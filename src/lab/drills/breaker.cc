#include "lab/drills/breaker.h"

#include <fmt/format.h>
#include <signal.h>

#include <functional>

#include "base/quote.h"
#include "kube/time.h"

namespace enclave::lab::drills {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;

// The name of a Deployment's first container.
Result<std::string> ContainerOf(const World& world, const std::string& ns,
                                const std::string& workload) {
  ASSIGN_OR_RETURN(const auto object, world.cluster.Get(kube::kDeployment, ns, workload));
  const Json& containers = kube::At(object->json(), "spec.template.spec.containers");
  if (!containers.is_array() || containers.empty())
    return Fail(ErrorKind::kNotFound,
                fmt::format("the Deployment {} has no container", base::Quote(workload)));
  return kube::StringAt(containers[0], "name");
}

Result<> PatchContainer(const World& world, const std::string& ns, const std::string& workload,
                        Json fields) {
  ASSIGN_OR_RETURN(fields["name"], ContainerOf(world, ns, workload));
  Json patch;
  patch["spec"]["template"]["spec"]["containers"] = Json::array({std::move(fields)});
  RETURN_IF_ERROR(world.cluster.Patch(kube::kDeployment, ns, workload,
                                      kube::PatchType::kStrategicMerge, patch));
  return {};
}

Result<> EditConfiguration(const World& world, const Fault& fault, const std::string& ns) {
  ASSIGN_OR_RETURN(const auto object, world.cluster.Get(kube::kConfigMap, ns, fault.workload));
  const Json& data = kube::At(object->json(), "data");
  const auto found = data.is_object() ? data.find(fault.key) : data.end();
  if (found == data.end() || !found->is_string())
    return Fail(ErrorKind::kNotFound,
                fmt::format("the ConfigMap {} has no key {}", base::Quote(fault.workload),
                            base::Quote(fault.key)));
  auto text = found->get<std::string>();
  const auto at = text.find(fault.replaced);
  if (at == std::string::npos)
    return Fail(ErrorKind::kNotFound,
                fmt::format("{} of the ConfigMap {} does not contain {}", base::Quote(fault.key),
                            base::Quote(fault.workload), base::Quote(fault.replaced)));
  text.replace(at, fault.replaced.size(), fault.value);
  Json patch;
  patch["data"][fault.key] = std::move(text);
  RETURN_IF_ERROR(
      world.cluster.Patch(kube::kConfigMap, ns, fault.workload, kube::PatchType::kMerge, patch));
  return {};
}

Result<> DeletePods(const World& world, const Fault& fault, const std::string& ns) {
  ASSIGN_OR_RETURN(const auto pods, PodsOf(world.cluster, ns, fault.workload));
  for (const auto& pod : pods) {
    const auto deleted = world.cluster.Delete(kube::kPod, ns, pod->name(), {});
    if (!deleted && deleted.error().kind() != ErrorKind::kNotFound) return Fail(deleted.error());
  }
  return {};
}

Result<> ForPods(const World& world, const Fault& fault, const std::string& ns,
                 const std::function<Result<>(const std::string& uid)>& act) {
  ASSIGN_OR_RETURN(const auto pods, PodsOf(world.cluster, ns, fault.workload));
  if (pods.empty())
    return Fail(ErrorKind::kNotFound, fmt::format("{} has no pod", base::Quote(fault.workload)));
  for (const auto& pod : pods) RETURN_IF_ERROR(act(pod->uid()));
  return {};
}

Result<> CarryOut(const World& world, const Fault& fault, const std::string& ns) {
  switch (fault.kind) {
    case FaultKind::kRelease:
      return PatchContainer(world, ns, fault.workload, {{"image", fault.image}});
    case FaultKind::kEnvironment:
      return PatchContainer(
          world, ns, fault.workload,
          {{"env", Json::array({{{"name", fault.key}, {"value", fault.value}}})}});
    case FaultKind::kConfiguration:
      return EditConfiguration(world, fault, ns);
    case FaultKind::kSignal:
      return ForPods(world, fault, ns, [&](const std::string& uid) {
        return world.host.Signal(uid, fault.signal == "STOP" ? SIGSTOP : SIGKILL);
      });
    case FaultKind::kProcessor:
      return ForPods(world, fault, ns,
                     [&](const std::string& uid) { return world.host.Burn(uid, fault.count); });
    case FaultKind::kScale: {
      const Json patch = {{"spec", {{"replicas", fault.count}}}};
      RETURN_IF_ERROR(world.cluster.Patch(kube::kDeployment, ns, fault.workload,
                                          kube::PatchType::kMerge, patch));
      return {};
    }
    case FaultKind::kDeletePods:
      return DeletePods(world, fault, ns);
    case FaultKind::kRestart: {
      Json patch;
      patch["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
          kube::FormatTime(world.pace.WallNow());
      RETURN_IF_ERROR(world.cluster.Patch(kube::kDeployment, ns, fault.workload,
                                          kube::PatchType::kStrategicMerge, patch));
      return {};
    }
    case FaultKind::kVisitors:
      return world.host.BringVisitors(fault.count, fault.lasts);
  }
  return {};
}

}  // namespace

Result<> Carry(const World& world, const Fault& fault, const std::string& ns) {
  const auto done = CarryOut(world, fault, ns);
  return done ? done : Fail(done.error().While(CommandOf(fault, ns)));
}

Result<std::vector<kube::ObjectPtr>> PodsOf(kube::Api& cluster, const std::string& ns,
                                            const std::string& workload) {
  ASSIGN_OR_RETURN(const auto object, cluster.Get(kube::kDeployment, ns, workload));
  ASSIGN_OR_RETURN(auto selector,
                   kube::LabelSelector::FromJson(kube::At(object->json(), "spec.selector")));
  ASSIGN_OR_RETURN(auto pods, cluster.List(kube::kPod, {.ns = ns, .labels = std::move(selector)}));
  std::erase_if(pods.items, [](const kube::ObjectPtr& pod) { return pod->deleting(); });
  return std::move(pods.items);
}

}  // namespace enclave::lab::drills
