// The parts of kube_state_metrics.cc, and what they share.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/api/metrics_text.h"
#include "kube/object.h"

namespace enclave::cluster {

using Objects = std::vector<kube::ObjectPtr>;

void RenderPods(MetricsText& text, const Objects& pods);

// The owner that controls the object, or null.
const kube::Json* Controller(const kube::Json& object);
// A family with the time of creation of each.
void CreatedOfEach(MetricsText& text, std::string_view name, std::string_view label,
                   const Objects& objects);
// A sample for each amount of a ResourceList, in cores, bytes or a number: `sample` gets the
// resource's name, its unit and the value.
void ForEachAmount(const kube::Json& amounts,
                   const std::function<void(const std::string&, std::string_view, double)>& sample);

}  // namespace enclave::cluster
