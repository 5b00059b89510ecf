// What runs in pods, as the API tells it and as the machine shows it.
#pragma once

#include <map>
#include <set>
#include <string>

#include "system/kubectl.h"

namespace enclave::system_test {

// "POD_UID/CONTAINER" -> the pid of the container's own first process, found in /proc by the marker
// that each process of a container has in its environment (docs/formats/container-state.md).
std::map<std::string, pid_t> ContainerPids(const Enclave& enclave);

// "pod/container containerID startedAt restarts pid PID" of every running container of pods that
// are not being deleted; "pid none" where no process is found.
std::set<std::string> RunningContainers(const Kubectl& kubectl);

}  // namespace enclave::system_test
