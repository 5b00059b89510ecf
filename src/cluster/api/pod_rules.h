// Defaults and validation of pods and of pod templates (k8s.io/kubernetes pkg/apis/core/v1
// defaults.go, pkg/apis/core/validation). A template gets the same defaults as a pod, but for those
// that only a pod has, so the hash of a stored template is stable.
#pragma once

#include <string>

#include "cluster/api/resource.h"

namespace enclave::cluster {

// `spec` of a pod or of a template.
void SetPodSpecDefaults(kube::Json& spec);
// What only pods get: requests from limits, enableServiceLinks, default tolerations, priority.
void SetPodDefaults(kube::Json& pod);

struct PodSpecRules {
  // Restart policies that the owner allows; empty: all.
  std::vector<std::string_view> restart_policies;
};
// `field` is where the spec stands: "spec" or "spec.template.spec".
void ValidatePodSpec(const kube::Json& spec, const std::string& field, const PodSpecRules& rules,
                     FieldErrors& errors);
// Labels, annotations and spec of a PodTemplateSpec.
void ValidatePodTemplate(const kube::Json& pod_template, const std::string& field,
                         const PodSpecRules& rules, FieldErrors& errors);
void ValidatePodUpdate(const kube::Json& fresh, const kube::Json& current, FieldErrors& errors);

// "Guaranteed", "Burstable" or "BestEffort".
std::string QosClass(const kube::Json& pod_spec);

}  // namespace enclave::cluster
