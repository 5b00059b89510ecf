// What the kubelet reads from a Pod. Nothing here throws on malformed objects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "kube/object.h"

namespace enclave::cluster {

// The array at a dotted path, an empty one when it is something else, so it can be iterated.
const kube::Json& ListAt(const kube::Json& value, std::string_view dotted_path);
// The entry of a list with this `name`; null when there is none.
const kube::Json* EntryNamed(const kube::Json& list, std::string_view name);
// metadata.labels or metadata.annotations; "" when absent. Keys hold dots, unlike StringAt's paths.
const std::string& MetadataValue(const kube::Json& object, std::string_view map,
                                 const std::string& key);

// "web-1_shop(6e1d...)": how messages name a pod.
std::string PodMark(const kube::Object& pod);
// Guaranteed, Burstable or BestEffort (Kubernetes pkg/apis/core/v1/helper/qos).
std::string PodQosClass(const kube::Json& pod);
// What scheduler and admission reckon with: the containers' sum, or the largest init container if
// that is more.
struct PodRequests {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
};
PodRequests RequestsOf(const kube::Json& pod);

// As Go prints a time.Duration of whole seconds: "10s", "1m20s", "5m0s".
std::string GoDuration(base::Duration duration);

}  // namespace enclave::cluster
