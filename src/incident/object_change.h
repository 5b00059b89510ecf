// What differs between two versions of a Kubernetes object, in words short enough to read at a
// glance. Values of variables and keys whose name says that they are secret are hidden.
#pragma once

#include <string>

#include "incident/context.h"
#include "kube/object.h"

namespace enclave::incident {

struct ObjectChange {
  ChangeKind kind = ChangeKind::kOther;
  std::string from{};  // "env PORT 5050, image web:v1"; "env PORT unset" where there was none
  std::string to{};
  bool any() const { return !from.empty() || !to.empty(); }
};

// The images of a pod template's containers, with commas.
std::string ImagesOf(const kube::Json& pod_template);

// Of pod templates (`spec.template` of a workload). kRollout when a program changed, else
// kConfiguration when a setting did, else kOther: pods that merely start anew.
ObjectChange CompareTemplates(const kube::Json& before, const kube::Json& after);
// Of the objects {data, binaryData} of a ConfigMap: of each key the first line that differs.
ObjectChange CompareConfigMaps(const kube::Json& before, const kube::Json& after);
// Of the objects {selector, ports} of a Service.
ObjectChange CompareServices(const kube::Json& before, const kube::Json& after);

}  // namespace enclave::incident
