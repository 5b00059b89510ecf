#include "cluster/controllers/pod_template.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace enclave::cluster {
namespace {

using kube::Json;

// Fields whose empty object says no more than their absence. Others do: `emptyDir: {}` is a volume,
// an empty labelSelector selects everything.
constexpr std::array<std::string_view, 11> kEmptyMeansAbsent = {
    "resources", "limits",       "requests", "securityContext", "labels",   "annotations",
    "metadata",  "nodeSelector", "affinity", "nodeAffinity",    "lifecycle"};

Json Normalised(const Json& value) {
  if (value.is_array()) {
    Json items = Json::array();
    for (const Json& item : value) items.push_back(Normalised(item));
    return items;
  }
  if (!value.is_object()) return value;
  Json fields = Json::object();
  for (const auto& [key, field] : value.items()) {
    Json kept = Normalised(field);
    if (kept.is_null() || (kept.is_array() && kept.empty())) continue;
    if (kept.is_object() && kept.empty() &&
        std::ranges::find(kEmptyMeansAbsent, key) != kEmptyMeansAbsent.end()) {
      continue;
    }
    fields[key] = std::move(kept);
  }
  return fields;
}

}  // namespace

Json NormalisedTemplate(const Json& pod_template) {
  Json plain = pod_template;
  if (plain.is_object() && plain.contains("metadata") && plain["metadata"].is_object() &&
      plain["metadata"].contains("labels") && plain["metadata"]["labels"].is_object()) {
    plain["metadata"]["labels"].erase(kTemplateHashLabel);
  }
  return Normalised(plain);
}

bool SameTemplate(const Json& left, const Json& right) {
  return NormalisedTemplate(left) == NormalisedTemplate(right);
}

}  // namespace enclave::cluster
