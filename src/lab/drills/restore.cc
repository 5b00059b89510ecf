#include "lab/drills/restore.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/quantity.h"
#include "lab/drills/breaker.h"

namespace enclave::lab::drills {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::StringAt;

bool SameScalar(const Json& object, const Json& manifest) {
  if (object == manifest) return true;
  const auto quantity = [](const Json& json) {
    const std::string text = json.is_string() ? json.get<std::string>() : json.dump();
    return kube::Quantity::Parse(text);
  };
  if (object.is_structured() || manifest.is_structured()) return false;
  const auto have = quantity(object);
  const auto want = quantity(manifest);
  return have && want && *have == *want;
}

bool IsStuck(const kube::Object& pod) {
  return std::ranges::any_of(
      kube::At(pod.json(), "status.containerStatuses"),
      [](const Json& status) { return !StringAt(status, "state.waiting.reason").empty(); });
}

Result<> RemoveStuckPods(kube::Api& cluster, const std::string& ns, const std::string& workload) {
  ASSIGN_OR_RETURN(const auto pods, PodsOf(cluster, ns, workload));
  for (const auto& pod : pods) {
    if (!IsStuck(*pod)) continue;
    const auto deleted =
        cluster.Delete(kube::kPod, ns, pod->name(), {.propagation = "", .grace_period_seconds = 0});
    if (!deleted && deleted.error().kind() != ErrorKind::kNotFound) return Fail(deleted.error());
  }
  return {};
}

// The pod template's annotations are no part of what is compared, but for those of the manifest: a
// restart leaves one that harms nobody.
Result<bool> RestoreOne(kube::Api& cluster, const kube::Kind& kind, const std::string& ns,
                        const std::string& name, const Json& manifest) {
  const auto there = cluster.Get(kind, ns, name);
  if (!there && there.error().kind() == ErrorKind::kNotFound) {
    RETURN_IF_ERROR(cluster.Create(kind, ns, manifest));
    return true;
  }
  if (!there) return Fail(there.error());
  Json wanted;
  for (const char* part : {"spec", "data"})
    if (manifest.contains(part)) wanted[part] = manifest[part];
  if (kind.kind == kube::kDeployment.kind && !wanted["spec"].contains("replicas"))
    wanted["spec"]["replicas"] = 1;
  const bool same = Covers((*there)->json(), wanted) &&
                    (kind.kind != kube::kConfigMap.kind ||
                     kube::At((*there)->json(), "data").size() == kube::At(wanted, "data").size());
  if (same) return false;
  Json object = (*there)->json();
  // What the server filled in stays where the manifest is silent: a Service keeps its address.
  if (kind.kind == kube::kService.kind)
    object["spec"].merge_patch(wanted["spec"]);
  else
    for (const auto& [part, content] : wanted.items()) object[part] = content;
  // Unconditional: whoever writes meanwhile is overruled.
  object["metadata"].erase("resourceVersion");
  RETURN_IF_ERROR(cluster.Update(kind, std::move(object)));
  return true;
}

}  // namespace

bool Covers(const Json& object, const Json& manifest) {
  if (manifest.is_object()) {
    if (!object.is_object()) return false;
    return std::ranges::all_of(manifest.items(), [&](const auto& item) {
      const auto found = object.find(item.key());
      return found != object.end() && Covers(*found, item.value());
    });
  }
  if (manifest.is_array())
    return object.is_array() &&
           std::ranges::equal(object, manifest, [](const Json& have, const Json& want) {
             return Covers(have, want);
           });
  return SameScalar(object, manifest);
}

Result<std::vector<std::string>> Restore(kube::Api& cluster, const std::vector<Json>& manifests,
                                         const std::string& ns) {
  std::vector<std::string> written;
  for (const Json& manifest : manifests) {
    if (StringAt(manifest, "metadata.namespace") != ns) continue;
    const kube::Kind* kind = nullptr;
    for (const kube::Kind* one : {&kube::kDeployment, &kube::kService, &kube::kConfigMap})
      if (StringAt(manifest, "kind") == one->kind) kind = one;
    if (kind == nullptr) continue;
    const std::string& name = StringAt(manifest, "metadata.name");
    const auto done = RestoreOne(cluster, *kind, ns, name, manifest);
    if (!done) return Fail(done.error().While(fmt::format("restoring {} {}", kind->kind, name)));
    if (*done) written.push_back(fmt::format("{}/{}", kind->kind, name));
    if (kind == &kube::kDeployment) RETURN_IF_ERROR(RemoveStuckPods(cluster, ns, name));
  }
  return written;
}

}  // namespace enclave::lab::drills
