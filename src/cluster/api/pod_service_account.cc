// What the admission plugin ServiceAccount of Kubernetes does: a pod's account must be there, and
// its token is mounted into the containers unless the pod or the account says no.
#include <fmt/format.h>

#include "cluster/api/registry.h"
#include "kube/names.h"

namespace enclave::cluster {
namespace {

using kube::At;
using kube::Json;
using kube::StringAt;

constexpr std::string_view kTokenMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";

// Of the pod when it says something, else of the account.
bool WantsToken(const Json& pod, const kube::ObjectPtr& account) {
  const bool by_account =
      account == nullptr || kube::BoolAt(account->json(), "automountServiceAccountToken", true);
  return kube::BoolAt(pod, "spec.automountServiceAccountToken", by_account);
}

Json TokenVolume(const std::string& name) {
  const auto file = [](std::string_view key, std::string_view path) {
    return Json::array({{{"key", key}, {"path", path}}});
  };
  const Json token = {{"serviceAccountToken", {{"expirationSeconds", 3607}, {"path", "token"}}}};
  const Json ca = {
      {"configMap", {{"name", "kube-root-ca.crt"}, {"items", file("ca.crt", "ca.crt")}}}};
  Json field;
  field["path"] = "namespace";
  field["fieldRef"] = {{"apiVersion", "v1"}, {"fieldPath", "metadata.namespace"}};
  Json downward;
  downward["downwardAPI"]["items"].push_back(std::move(field));
  Json volume;
  volume["name"] = name;
  volume["projected"]["defaultMode"] = 0644;
  volume["projected"]["sources"] = Json::array({token, ca, downward});
  return volume;
}

// True when a container got the mount.
bool AddTokenMounts(Json& spec, const std::string& volume) {
  bool added = false;
  for (const char* list : {"initContainers", "containers"}) {
    if (!spec.contains(list) || !spec[list].is_array()) continue;
    for (Json& container : spec[list]) {
      if (!container.is_object()) continue;
      bool has = false;
      for (const Json& mount : At(container, "volumeMounts")) {
        has = has || StringAt(mount, "mountPath") == kTokenMountPath;
      }
      if (has) continue;
      container["volumeMounts"].push_back(
          {{"name", volume}, {"readOnly", true}, {"mountPath", kTokenMountPath}});
      added = true;
    }
  }
  return added;
}

base::Result<> AdmitPod(Json& pod, const AdmissionContext& context) {
  if (!pod.contains("spec") || !pod["spec"].is_object()) return {};
  Json& spec = pod["spec"];
  std::string name = StringAt(spec, "serviceAccountName");
  if (name.empty()) name = StringAt(spec, "serviceAccount");
  if (name.empty()) name = "default";
  const std::string& ns = StringAt(pod, "metadata.namespace");
  const kube::ObjectPtr account = context.find(kube::kServiceAccount, ns, name);
  // A controller makes `default` soon after the namespace; pods need not wait for it.
  if (account == nullptr && name != "default") {
    const std::string& own = StringAt(pod, "metadata.name");
    return base::Fail(
        base::ErrorKind::kPermissionDenied,
        fmt::format("pods \"{}\" is forbidden: error looking up service account {}/{}: "
                    "serviceaccount \"{}\" not found",
                    own.empty() ? StringAt(pod, "metadata.generateName") : own, ns, name, name));
  }
  if (!WantsToken(pod, account)) {
    // What the account says is written into the pod, for the kubelet.
    spec["automountServiceAccountToken"] = false;
    return {};
  }
  const std::string volume = "kube-api-access-" + context.suffix;
  if (AddTokenMounts(spec, volume)) spec["volumes"].push_back(TokenVolume(volume));
  return {};
}

}  // namespace

void AdmitServiceAccounts(Registry& registry) {
  Resource pods = *registry.Find(kube::kPod);
  pods.admit_create = AdmitPod;
  registry.Add(std::move(pods));
}

}  // namespace enclave::cluster
