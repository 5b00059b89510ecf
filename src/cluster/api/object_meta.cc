#include "cluster/api/object_meta.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kube/names.h"
#include "kube/time.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::StringAt;

constexpr const char* kForeground = "foregroundDeletion";
constexpr const char* kOrphan = "orphan";

constexpr const char* kSystemFields[] = {
    "name",       "namespace",         "generateName",
    "uid",        "resourceVersion",   "creationTimestamp",
    "generation", "deletionTimestamp", "deletionGracePeriodSeconds"};

}  // namespace

bool HasFinalizers(const Json& object) {
  const Json& finalizers = At(object, "metadata.finalizers");
  return finalizers.is_array() && !finalizers.empty();
}

bool ReadyToGo(const Resource& resource, const Json& object) {
  return !At(object, "metadata.deletionTimestamp").is_null() && !HasFinalizers(object) &&
         kube::IntAt(object, "metadata.deletionGracePeriodSeconds") == 0 &&
         (!resource.holds || !resource.holds(object));
}

void KeepSystemFields(Json& fresh, const Json& current) {
  Json& metadata = fresh["metadata"];
  if (!metadata.is_object()) metadata = Json::object();
  const Json& old = At(current, "metadata");
  for (const char* field : kSystemFields) {
    const Json& value = At(old, field);
    if (value.is_null()) {
      metadata.erase(field);
    } else {
      metadata[field] = value;
    }
  }
  metadata.erase("selfLink");
}

void StampNew(const Resource& resource, Json& fresh, std::string uid, base::WallTime now) {
  Json& metadata = fresh["metadata"];
  for (const char* field : {"resourceVersion", "generation", "deletionTimestamp",
                            "deletionGracePeriodSeconds", "selfLink", "managedFields"}) {
    metadata.erase(field);
  }
  metadata["uid"] = std::move(uid);
  metadata["creationTimestamp"] = kube::FormatTime(now);
  if (resource.has_generation) metadata["generation"] = 1;
}

void ValidateMetadata(const Resource& resource, const Json& object, FieldErrors& errors) {
  const Json& metadata = At(object, "metadata");
  const std::string& name = StringAt(metadata, "name");
  if (name.empty()) {
    errors.Required("metadata.name", "name or generateName is required");
  } else {
    errors.Check("metadata.name", name,
                 resource.validate_name ? resource.validate_name(name)
                                        : kube::ValidateDns1123Subdomain(name));
  }
  errors.Check("metadata.labels", At(metadata, "labels"),
               kube::ValidateLabels(At(metadata, "labels")));
  errors.Check("metadata.annotations", At(metadata, "annotations"),
               kube::ValidateAnnotations(At(metadata, "annotations")));
  const Json& finalizers = At(metadata, "finalizers");
  if (!finalizers.is_null() && !finalizers.is_array()) {
    errors.Invalid("metadata.finalizers", finalizers, "must be a list of names");
  } else {
    std::size_t index = 0;
    for (const Json& finalizer : finalizers) {
      const std::string at = Indexed("metadata.finalizers", index++);
      if (!finalizer.is_string()) {
        errors.Invalid(at, finalizer, "must be a string");
      } else {
        errors.Check(at, finalizer,
                     kube::ValidateLabelKey(finalizer.get_ref<const std::string&>()));
      }
    }
  }
  std::size_t index = 0;
  std::size_t controllers = 0;
  for (const Json& owner : At(metadata, "ownerReferences")) {
    const std::string at = Indexed("metadata.ownerReferences", index++);
    for (const char* field : {"apiVersion", "kind", "name", "uid"}) {
      if (StringAt(owner, field).empty()) {
        errors.Invalid(at + "." + field, "", fmt::format("{} must not be empty", field));
      }
    }
    if (kube::BoolAt(owner, "controller")) ++controllers;
  }
  if (controllers > 1) {
    errors.Invalid("metadata.ownerReferences", At(metadata, "ownerReferences"),
                   "Only one reference can have Controller set to true");
  }
}

void ValidateMetadataUpdate(const Json& fresh, const Json& current, FieldErrors& errors) {
  if (At(current, "metadata.deletionTimestamp").is_null()) return;
  const Json& old = At(current, "metadata.finalizers");
  Json added = Json::array();
  for (const Json& finalizer : At(fresh, "metadata.finalizers")) {
    const bool known = old.is_array() && std::ranges::find(old, finalizer) != old.end();
    if (!known) added.push_back(finalizer);
  }
  if (!added.empty()) {
    errors.Forbidden("metadata.finalizers",
                     fmt::format("no new finalizers can be added if the object is being deleted, "
                                 "found new finalizers {}",
                                 added.dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
}

base::Result<> SetPropagation(Json& object, std::string_view propagation) {
  if (propagation.empty()) return {};
  const char* wanted = nullptr;
  if (propagation == "Foreground") {
    wanted = kForeground;
  } else if (propagation == "Orphan") {
    wanted = kOrphan;
  } else if (propagation != "Background") {
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: "
                            "Unsupported value: \"{}\": supported values: \"Foreground\", "
                            "\"Background\", \"Orphan\", \"\"",
                            propagation));
  }
  Json kept = Json::array();
  for (const Json& finalizer : At(object, "metadata.finalizers")) {
    if (finalizer != kForeground && finalizer != kOrphan) kept.push_back(finalizer);
  }
  if (wanted != nullptr) kept.push_back(wanted);
  if (kept.empty()) {
    object["metadata"].erase("finalizers");
  } else {
    object["metadata"]["finalizers"] = std::move(kept);
  }
  return {};
}

}  // namespace enclave::cluster
