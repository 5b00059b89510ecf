// The subresources that several kinds share.
#pragma once

#include <string>

#include "cluster/api/resource.h"

namespace enclave::cluster {

// /status: writes change .status and nothing else.
Subresource StatusSubresource();

// /scale (autoscaling/v1): a view of the replica counts, by paths as CustomResourceDefinitions name
// them.
struct ScalePaths {
  std::string replicas = "spec.replicas";
  std::string observed = "status.replicas";
  std::string selector = "spec.selector";  // a LabelSelector
};
Subresource ScaleSubresource(const ScalePaths& paths = {});

// Sets the value at a dotted path, making objects on the way.
void SetAt(kube::Json& object, std::string_view path, kube::Json value);

}  // namespace enclave::cluster
