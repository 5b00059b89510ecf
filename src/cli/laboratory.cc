#include "cli/laboratory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "base/quote.h"
#include "kube/body.h"
#include "kube/hash.h"

namespace enclave::cli {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::Json;

constexpr const char* kManifestHash = "enclave.dev/manifest-hash";

const kube::Kind* FindKind(const Json& object) {
  static const std::array kKinds{kube::kNamespace,  kube::kServiceAccount, kube::kConfigMap,
                                 kube::kSecret,     kube::kService,        kube::kPod,
                                 kube::kDeployment, kube::kReplicaSet};
  for (const kube::Kind& kind : kKinds)
    if (kube::StringAt(object, "kind") == kind.kind &&
        kube::StringAt(object, "apiVersion") == kind.ApiVersion())
      return &kind;
  return nullptr;
}

Result<std::string> ReadText(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return Fail(ErrorKind::kUnavailable, fmt::format("cannot read {}", file.string()));
  return std::string((std::istreambuf_iterator<char>(stream)), {});
}

std::string Replace(std::string text, std::string_view what, std::string_view with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

Result<> AppendManifests(const fs::path& file, const StatePaths& paths,
                         std::vector<Json>* objects) {
  ASSIGN_OR_RETURN(std::string text, ReadText(file));
  text = Replace(std::move(text), "${ENCLAVE_STATE}", paths.root.string());
  auto documents = kube::ParseManifests(text);
  if (!documents) return Fail(documents.error().While(fmt::format("reading {}", file.string())));
  for (Json& document : *documents) {
    if (FindKind(document) == nullptr)
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("{}: the kind {} {} is not one that `enclave up` deploys",
                              file.string(), base::Quote(kube::StringAt(document, "apiVersion")),
                              base::Quote(kube::StringAt(document, "kind"))));
    objects->push_back(std::move(document));
  }
  return {};
}

Result<> DeployOne(kube::Api& api, Json object, Deployed* deployed) {
  const kube::Kind& kind = *FindKind(object);
  const std::string name = kube::StringAt(object, "metadata.name");
  std::string ns;
  if (kind.namespaced) {
    ns = kube::StringAt(object, "metadata.namespace");
    if (ns.empty()) ns = "default";
  }
  const std::string hash = fmt::format("{:08x}", kube::Fnv1a32(object.dump()));
  object["metadata"]["annotations"][kManifestHash] = hash;
  const auto there = api.Get(kind, ns, name);
  if (!there && there.error().kind() != ErrorKind::kNotFound) return Fail(there.error());
  if (!there) {
    RETURN_IF_ERROR(api.Create(kind, ns, std::move(object)));
    ++deployed->created;
    return {};
  }
  // Its name has a dot, so it is no path for kube::At.
  const Json& annotations = kube::At((*there)->json(), "metadata.annotations");
  if (annotations.is_object() && annotations.value(kManifestHash, Json()) == hash) {
    ++deployed->kept;
    return {};
  }
  RETURN_IF_ERROR(api.Patch(kind, ns, name, kube::PatchType::kStrategicMerge, object));
  ++deployed->changed;
  return {};
}

}  // namespace

Result<std::vector<Json>> ReadManifests(const std::vector<fs::path>& folders,
                                        const StatePaths& paths) {
  std::vector<Json> objects;
  for (const fs::path& folder : folders) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".yaml") files.push_back(entry.path());
    if (error)
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("cannot read the folder {}: {}", folder.string(), error.message()));
    std::ranges::sort(files);
    for (const fs::path& file : files) RETURN_IF_ERROR(AppendManifests(file, paths, &objects));
  }
  const auto is_namespace = [](const Json& object) {
    return kube::StringAt(object, "kind") == kube::kNamespace.kind;
  };
  std::vector<Json> ordered;
  ordered.reserve(objects.size());
  std::ranges::copy_if(objects, std::back_inserter(ordered), is_namespace);
  std::ranges::copy_if(objects, std::back_inserter(ordered), std::not_fn(is_namespace));
  return ordered;
}

Result<Deployed> Deploy(kube::Api& api, const std::vector<Json>& objects) {
  Deployed deployed;
  for (const Json& object : objects) {
    if (const auto done = DeployOne(api, object, &deployed); !done)
      return Fail(
          done.error().While(fmt::format("deploying {} {}", kube::StringAt(object, "kind"),
                                         base::Quote(kube::StringAt(object, "metadata.name")))));
  }
  return deployed;
}

}  // namespace enclave::cli
