// Does what a drill's faults say, by the means that people and life have. Nothing that is written
// says that it was a drill.
#pragma once

#include "base/result.h"
#include "lab/drills/drill.h"
#include "lab/drills/world.h"

namespace enclave::lab::drills {

base::Result<> Carry(const World& world, const Fault& fault, const std::string& ns);

// Pods of a Deployment that are not being deleted. The Deployment's own selector tells them.
base::Result<std::vector<kube::ObjectPtr>> PodsOf(kube::Api& cluster, const std::string& ns,
                                                  const std::string& workload);

}  // namespace enclave::lab::drills
