#include "cluster/kubelet/pod_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "kube/quantity.h"

namespace enclave::cluster {

using kube::Json;
using kube::Quantity;

namespace {

const Json kEmptyList = Json::array();
const std::string kNothing;

}  // namespace

const Json& ListAt(const Json& value, std::string_view dotted_path) {
  const Json& found = kube::At(value, dotted_path);
  return found.is_array() ? found : kEmptyList;
}

const Json* EntryNamed(const Json& list, std::string_view name) {
  if (!list.is_array()) return nullptr;
  for (const Json& entry : list)
    if (kube::StringAt(entry, "name") == name) return &entry;
  return nullptr;
}

const std::string& MetadataValue(const Json& object, std::string_view map, const std::string& key) {
  const Json& values = kube::At(kube::At(object, "metadata"), map);
  if (!values.is_object()) return kNothing;
  const auto found = values.find(key);
  if (found == values.end() || !found->is_string()) return kNothing;
  return found->get_ref<const std::string&>();
}

std::string PodMark(const kube::Object& pod) {
  return fmt::format("{}_{}({})", pod.name(), pod.ns(), pod.uid());
}

std::string PodQosClass(const Json& pod) {
  bool any = false;
  bool guaranteed = true;
  for (const char* list : {"spec.containers", "spec.initContainers"}) {
    for (const Json& container : ListAt(pod, list)) {
      for (const char* resource : {"cpu", "memory"}) {
        const std::string name = resource;
        const Quantity limit = Quantity::At(container, "resources.limits." + name);
        const Quantity request = Quantity::At(container, "resources.requests." + name, limit);
        if (!limit.is_zero() || !request.is_zero()) any = true;
        if (limit.is_zero() || request != limit) guaranteed = false;
      }
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

PodRequests RequestsOf(const Json& pod) {
  PodRequests sum;
  for (const Json& container : ListAt(pod, "spec.containers")) {
    sum.cpu_millis += Quantity::At(container, "resources.requests.cpu").MilliValue();
    sum.memory_bytes += Quantity::At(container, "resources.requests.memory").Value();
  }
  PodRequests most = sum;
  for (const Json& container : ListAt(pod, "spec.initContainers")) {
    most.cpu_millis =
        std::max(most.cpu_millis, Quantity::At(container, "resources.requests.cpu").MilliValue());
    most.memory_bytes =
        std::max(most.memory_bytes, Quantity::At(container, "resources.requests.memory").Value());
  }
  return most;
}

std::string GoDuration(base::Duration duration) {
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{}s", seconds / 60, seconds % 60);
  return fmt::format("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

}  // namespace enclave::cluster
