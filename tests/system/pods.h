// What runs in pods, as the API tells it.
#pragma once

#include <set>
#include <string>

#include "system/kubectl.h"

namespace enclave::system_test {

// "pod/container containerID restarts" of every running container of pods that are not being
// deleted.
std::set<std::string> RunningContainers(const Kubectl& kubectl);

}  // namespace enclave::system_test
