#include "cluster/kubelet/pod_volumes.h"

#include <fmt/format.h>

#include "base/quote.h"

#include <algorithm>

#include "cluster/kubelet/config_data.h"
#include "cluster/kubelet/pod_fields.h"

namespace enclave::cluster {

using base::ErrorKind;
using kube::Json;

namespace {

// Not a valid volume name, so it never meets one of the pod's own.
constexpr const char* kImplicitToken = "kube-api-access.";

bool IsInside(std::string_view path) {
  if (path.empty() || path.front() == '/') return false;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
  return true;
}

int ModeOf(const Json& value, const char* field, int fallback) {
  return static_cast<int>(kube::IntAt(value, field, fallback)) & 0777;
}

base::Result<> Place(VolumeFiles& files, const std::string& path, std::string content, int mode) {
  if (!IsInside(path)) {
    return base::Fail(ErrorKind::kInvalidArgument,
                      fmt::format("path {} leads out of the volume", base::Quote(path)));
  }
  files[path] = VolumeFile{std::move(content), mode};
  return {};
}

bool MountsTokenItself(const kube::Object& pod) {
  for (const char* list : {"spec.containers", "spec.initContainers"})
    for (const Json& container : ListAt(pod.json(), list))
      for (const Json& mount : ListAt(container, "volumeMounts"))
        if (std::string_view path = kube::StringAt(mount, "mountPath");
            path.starts_with(kTokenDirectory) &&
            path.find_first_not_of('/', std::string_view(kTokenDirectory).size()) == path.npos)
          return true;
  return false;
}

}  // namespace

base::Result<> PodVolumes::Prepare(const kube::Object& pod, const PodAddress& address) {
  read_.clear();
  for (const Json& volume : ListAt(pod.json(), "spec.volumes")) {
    const std::string& name = kube::StringAt(volume, "name");
    base::Result<Volume> made = Make(pod, address, volume);
    if (!made) {
      return base::Fail(made.error().kind(),
                        fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", name,
                                    made.error().message()));
    }
    volumes_[name] = std::move(*made);
  }
  return MakeImplicitToken(pod);
}

std::optional<base::MonoTime> PodVolumes::next_renewal() const {
  std::optional<base::MonoTime> next;
  for (const auto& [key, token] : tokens_)
    next = std::min(next.value_or(token.renew_at), token.renew_at);
  return next;
}

bool PodVolumes::Reads(const kube::Kind& kind, const std::string& name) const {
  return read_.contains({kind.kind, name});
}

base::Result<std::vector<Mount>> PodVolumes::MountsOf(const Json& container,
                                                      const Environment& environment) const {
  std::vector<Mount> mounts;
  for (const Json& mount : ListAt(container, "volumeMounts")) {
    const std::string& name = kube::StringAt(mount, "name");
    const auto found = volumes_.find(name);
    if (found == volumes_.end()) {
      return base::Fail(ErrorKind::kInvalidArgument,
                        fmt::format("cannot find volume \"{}\" to mount into container \"{}\"",
                                    name, kube::StringAt(container, "name")));
    }
    const Volume& volume = found->second;
    std::string source = volume.path;
    std::string sub_path = kube::StringAt(mount, "subPath");
    if (sub_path.empty()) sub_path = environment.Expand(kube::StringAt(mount, "subPathExpr"));
    if (!sub_path.empty()) {
      ASSIGN_OR_RETURN(source, context_.ports.volumes.SubPath(source, sub_path));
    }
    mounts.push_back(Mount{std::move(source), kube::StringAt(mount, "mountPath"),
                           volume.read_only || kube::BoolAt(mount, "readOnly")});
  }
  if (const auto token = volumes_.find(kImplicitToken); token != volumes_.end())
    mounts.push_back(Mount{token->second.path, kTokenDirectory, true});
  return mounts;
}

base::Result<PodVolumes::Volume> PodVolumes::Make(const kube::Object& pod,
                                                  const PodAddress& address, const Json& volume) {
  const std::string& name = kube::StringAt(volume, "name");
  VolumeStore& store = context_.ports.volumes;
  if (const Json& source = kube::At(volume, "hostPath"); source.is_object()) {
    const std::string& path = kube::StringAt(source, "path");
    RETURN_IF_ERROR(store.CheckHostPath(path, kube::StringAt(source, "type")));
    return Volume{path, false};
  }
  VolumeFiles files;
  if (const Json& source = kube::At(volume, "configMap"); source.is_object()) {
    RETURN_IF_ERROR(AddKeys(pod, source, false, ModeOf(source, "defaultMode", 0644), files));
  } else if (const Json& secret = kube::At(volume, "secret"); secret.is_object()) {
    RETURN_IF_ERROR(AddKeys(pod, secret, true, ModeOf(secret, "defaultMode", 0644), files));
  } else if (const Json& downward = kube::At(volume, "downwardAPI"); downward.is_object()) {
    RETURN_IF_ERROR(
        AddDownward(pod, address, downward, ModeOf(downward, "defaultMode", 0644), files));
  } else if (kube::At(volume, "projected").is_object()) {
    RETURN_IF_ERROR(AddProjected(pod, address, volume, files));
  } else {
    // A volume without any source is an emptyDir, as the API server would have defaulted it.
    for (const auto& [key, value] : volume.items()) {
      if (key != "name" && key != "emptyDir") {
        return base::Fail(ErrorKind::kInvalidArgument,
                          fmt::format("volumes of type {} are not supported here", key));
      }
    }
    ASSIGN_OR_RETURN(std::string path, store.EmptyDirectory(pod.uid(), name));
    return Volume{std::move(path), false};
  }
  ASSIGN_OR_RETURN(std::string path, store.Project(pod.uid(), name, files));
  return Volume{std::move(path), true};
}

base::Result<> PodVolumes::AddKeys(const kube::Object& pod, const Json& source, bool secret,
                                   int default_mode, VolumeFiles& files) {
  // A secret volume says secretName, a projected source of either kind says name.
  const std::string& secret_name = kube::StringAt(source, "secretName");
  const std::string& name = secret_name.empty() ? kube::StringAt(source, "name") : secret_name;
  const bool optional = kube::BoolAt(source, "optional");
  read_.emplace(secret ? "Secret" : "ConfigMap", name);
  const auto object =
      secret ? context_.objects.Secret(pod.ns(), name) : context_.objects.ConfigMap(pod.ns(), name);
  if (!object) {
    if (optional && object.error().kind() == ErrorKind::kNotFound) return {};
    return base::Fail(object.error());
  }
  const auto data = secret ? SecretData(**object) : ConfigMapData(**object);
  const Json& items = ListAt(source, "items");
  if (items.empty()) {
    for (const auto& [key, value] : data) RETURN_IF_ERROR(Place(files, key, value, default_mode));
    return {};
  }
  for (const Json& item : items) {
    const std::string& key = kube::StringAt(item, "key");
    const auto found = data.find(key);
    if (found == data.end()) {
      if (optional) continue;
      return base::Fail(ErrorKind::kNotFound, fmt::format("references non-existent {} key: {}",
                                                          secret ? "secret" : "config", key));
    }
    RETURN_IF_ERROR(Place(files, kube::StringAt(item, "path"), found->second,
                          ModeOf(item, "mode", default_mode)));
  }
  return {};
}

base::Result<> PodVolumes::AddDownward(const kube::Object& pod, const PodAddress& address,
                                       const Json& source, int default_mode, VolumeFiles& files) {
  for (const Json& item : ListAt(source, "items")) {
    std::string content;
    if (const Json& field = kube::At(item, "fieldRef"); field.is_object()) {
      ASSIGN_OR_RETURN(content, FieldValue(pod, address, kube::StringAt(field, "fieldPath")));
    } else {
      const Json& resource = kube::At(item, "resourceFieldRef");
      ASSIGN_OR_RETURN(content, ResourceValue(pod, Json(), resource, context_.options.capacity));
    }
    RETURN_IF_ERROR(Place(files, kube::StringAt(item, "path"), std::move(content),
                          ModeOf(item, "mode", default_mode)));
  }
  return {};
}

base::Result<> PodVolumes::AddToken(const kube::Object& pod, const std::string& volume,
                                    const Json& source, VolumeFiles& files) {
  if (!context_.ports.token)
    return base::Fail(ErrorKind::kUnavailable, "this cluster issues no service account tokens");
  const std::string& given = kube::StringAt(source, "path");
  const std::string path = given.empty() ? "token" : given;
  Token& token = tokens_[{volume, path}];
  const base::MonoTime now = context_.Now();
  if (token.text.empty() || now >= token.renew_at) {
    TokenRequest request;
    request.ns = pod.ns();
    request.service_account = kube::StringAt(pod.json(), "spec.serviceAccountName");
    if (request.service_account.empty()) request.service_account = "default";
    request.pod_name = pod.name();
    request.pod_uid = pod.uid();
    request.audience = kube::StringAt(source, "audience");
    request.expiration_seconds =
        std::clamp<std::int64_t>(kube::IntAt(source, "expirationSeconds", 3607), 600, 1LL << 32);
    base::Result<std::string> made = context_.ports.token(request);
    if (!made) {
      // An old token may still be good; a pod that has none cannot start.
      if (token.text.empty()) return base::Fail(made.error().While("failed to fetch token"));
      token.renew_at = now + std::chrono::seconds(30);
    } else {
      token.text = std::move(*made);
      token.renew_at = now + std::chrono::seconds(request.expiration_seconds) / 5 * 4;
    }
  }
  return Place(files, path, token.text, 0644);
}

base::Result<> PodVolumes::AddProjected(const kube::Object& pod, const PodAddress& address,
                                        const Json& volume, VolumeFiles& files) {
  const std::string& name = kube::StringAt(volume, "name");
  const Json& projected = kube::At(volume, "projected");
  const int mode = ModeOf(projected, "defaultMode", 0644);
  for (const Json& source : ListAt(projected, "sources")) {
    if (const Json& map = kube::At(source, "configMap"); map.is_object()) {
      RETURN_IF_ERROR(AddKeys(pod, map, false, mode, files));
    } else if (const Json& secret = kube::At(source, "secret"); secret.is_object()) {
      RETURN_IF_ERROR(AddKeys(pod, secret, true, mode, files));
    } else if (const Json& downward = kube::At(source, "downwardAPI"); downward.is_object()) {
      RETURN_IF_ERROR(AddDownward(pod, address, downward, mode, files));
    } else if (const Json& token = kube::At(source, "serviceAccountToken"); token.is_object()) {
      RETURN_IF_ERROR(AddToken(pod, name, token, files));
    } else {
      return base::Fail(ErrorKind::kInvalidArgument, "projected source of an unknown type");
    }
  }
  return {};
}

bool PodVolumes::WantsToken(const kube::Object& pod) const {
  if (const Json& said = kube::At(pod.json(), "spec.automountServiceAccountToken");
      said.is_boolean())
    return said.get<bool>();
  const std::string& name = kube::StringAt(pod.json(), "spec.serviceAccountName");
  const auto account = context_.ports.informers.api().Get(kube::kServiceAccount, pod.ns(),
                                                          name.empty() ? "default" : name);
  return !account || kube::BoolAt((*account)->json(), "automountServiceAccountToken", true);
}

base::Result<> PodVolumes::MakeImplicitToken(const kube::Object& pod) {
  if (!context_.ports.token || context_.options.cluster_ca.empty() || MountsTokenItself(pod) ||
      !WantsToken(pod))
    return {};
  VolumeFiles files;
  RETURN_IF_ERROR(AddToken(pod, kImplicitToken, Json::object(), files));
  files["ca.crt"] = VolumeFile{context_.options.cluster_ca, 0644};
  files["namespace"] = VolumeFile{pod.ns(), 0644};
  ASSIGN_OR_RETURN(std::string path,
                   context_.ports.volumes.Project(pod.uid(), kImplicitToken, files));
  volumes_[kImplicitToken] = Volume{std::move(path), true};
  return {};
}

}  // namespace enclave::cluster
