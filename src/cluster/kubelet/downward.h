// Values that a pod may ask about itself (the downward API): fieldRef and resourceFieldRef.
#pragma once

#include <string>

#include "base/result.h"
#include "cluster/kubelet/kubelet_options.h"
#include "kube/object.h"

namespace enclave::cluster {

struct PodAddress {
  std::string pod_ip;
  std::string host_ip;
};

// metadata.name, .namespace, .uid, .labels, .annotations (whole or ['key']), spec.nodeName,
// spec.serviceAccountName, status.hostIP(s), status.podIP(s). kInvalidArgument for another path.
base::Result<std::string> FieldValue(const kube::Object& pod, const PodAddress& address,
                                     const std::string& field_path);

// `reference` is a resourceFieldRef; its containerName, when there is one, wins over `container`.
// A limit that is not set is the node's capacity. Amounts are rounded up to whole divisors.
base::Result<std::string> ResourceValue(const kube::Object& pod, const kube::Json& container,
                                        const kube::Json& reference, const NodeCapacity& capacity);

}  // namespace enclave::cluster
