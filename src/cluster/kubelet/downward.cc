#include "cluster/kubelet/downward.h"

#include <fmt/format.h>

#include <algorithm>

#include "cluster/kubelet/pod_fields.h"
#include "kube/quantity.h"

namespace enclave::cluster {

using kube::Json;
using kube::Quantity;

namespace {

// Go's %q for what may stand in a label or annotation.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += c;
    }
  }
  return out + "\"";
}

std::string FormatMap(const Json& values) {
  std::string out;
  if (!values.is_object()) return out;
  for (const auto& [key, value] : values.items()) {
    if (!value.is_string()) continue;
    if (!out.empty()) out += '\n';
    out += key + "=" + Quoted(value.get_ref<const std::string&>());
  }
  return out;
}

std::int64_t CeilDivide(std::int64_t value, std::int64_t by) {
  return by <= 0 ? value : value / by + (value % by > 0 ? 1 : 0);
}

}  // namespace

base::Result<std::string> FieldValue(const kube::Object& pod, const PodAddress& address,
                                     const std::string& field_path) {
  if (field_path == "metadata.name") return pod.name();
  if (field_path == "metadata.namespace") return pod.ns();
  if (field_path == "metadata.uid") return pod.uid();
  if (field_path == "spec.nodeName") return kube::StringAt(pod.json(), "spec.nodeName");
  if (field_path == "spec.serviceAccountName")
    return kube::StringAt(pod.json(), "spec.serviceAccountName");
  if (field_path == "status.podIP" || field_path == "status.podIPs") return address.pod_ip;
  if (field_path == "status.hostIP" || field_path == "status.hostIPs") return address.host_ip;
  for (const std::string map : {"labels", "annotations"}) {
    const std::string path = "metadata." + map;
    if (field_path == path) return FormatMap(kube::At(pod.json(), path));
    if (field_path.starts_with(path + "['") && field_path.ends_with("']")) {
      const std::string key =
          field_path.substr(path.size() + 2, field_path.size() - path.size() - 4);
      return MetadataValue(pod.json(), map, key);
    }
  }
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("unsupported fieldPath: {}", field_path));
}

base::Result<std::string> ResourceValue(const kube::Object& pod, const Json& container,
                                        const Json& reference, const NodeCapacity& capacity) {
  const Json* target = &container;
  const std::string& name = kube::StringAt(reference, "containerName");
  if (!name.empty()) {
    target = EntryNamed(ListAt(pod.json(), "spec.containers"), name);
    if (target == nullptr) target = EntryNamed(ListAt(pod.json(), "spec.initContainers"), name);
    if (target == nullptr)
      return base::Fail(base::ErrorKind::kInvalidArgument, "container " + name + " not found");
  }
  const std::string& resource = kube::StringAt(reference, "resource");
  const Quantity divisor = Quantity::At(reference, "divisor", Quantity::FromMilli(1000));
  const Quantity amount = Quantity::At(*target, "resources." + resource);
  const bool limit = resource.starts_with("limits.");
  if (resource == "limits.cpu" || resource == "requests.cpu") {
    const std::int64_t millis =
        limit && amount.is_zero() ? capacity.cpu_millis : amount.MilliValue();
    const std::int64_t by = divisor.is_zero() ? 1000 : divisor.MilliValue();
    return fmt::format("{}", CeilDivide(millis, by));
  }
  if (resource == "limits.memory" || resource == "requests.memory") {
    const std::int64_t bytes = limit && amount.is_zero() ? capacity.memory_bytes : amount.Value();
    return fmt::format("{}", CeilDivide(bytes, divisor.is_zero() ? 1 : divisor.Value()));
  }
  if (resource == "limits.ephemeral-storage" || resource == "requests.ephemeral-storage")
    return fmt::format("{}", CeilDivide(amount.Value(), divisor.Value()));
  return base::Fail(base::ErrorKind::kInvalidArgument,
                    fmt::format("unsupported container resource : {}", resource));
}

}  // namespace enclave::cluster
