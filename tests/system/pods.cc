#include "system/pods.h"

#include <fmt/format.h>

namespace enclave::system_test {

std::set<std::string> RunningContainers(const Kubectl& kubectl) {
  std::set<std::string> containers;
  for (const Json& pod : At(kubectl.Get("pods"), "items")) {
    if (At(pod, "metadata.deletionTimestamp").is_string()) continue;
    for (const Json& status : At(pod, "status.containerStatuses"))
      if (At(status, "state.running").is_object())
        containers.insert(fmt::format("{}/{} {} {} {}", StringAt(pod, "metadata.name"),
                                      StringAt(status, "name"), StringAt(status, "containerID"),
                                      StringAt(status, "state.running.startedAt"),
                                      IntAt(status, "restartCount")));
  }
  return containers;
}

}  // namespace enclave::system_test
