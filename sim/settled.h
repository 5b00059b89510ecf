// What must hold when nothing is left to do: observed equals desired.
#pragma once

#include <optional>
#include <string>

#include "sim/world.h"

namespace enclave::sim {

// Why the cluster is not at rest, or nullopt when it is:
//  - every ReplicaSet has exactly the pods it asks for, all ready, and says so in its status
//  - every Deployment has rolled out: one ReplicaSet with all pods, status and conditions to match,
//    and no more history than it wants
//  - Endpoints and EndpointSlices have exactly the ready pods that their Service selects
//  - every owner that an object names exists
//  - containers run for the pods that are there, and for no others
//  - no namespace and no object is half deleted
std::optional<std::string> WhyNotSettled(World& world);

// Whether the control plane's caches equal the store: no event was lost.
std::optional<std::string> WhyCachesDiffer(World& world);

// Whether anything is left of what users made; for the end, after everything was deleted.
std::optional<std::string> WhatIsLeft(World& world);

}  // namespace enclave::sim
