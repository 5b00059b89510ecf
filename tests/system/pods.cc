#include "system/pods.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <sstream>

namespace enclave::system_test {
namespace {

// The value of ENCLAVE_CONTAINER_ID, "ENCLAVE/POD_UID/CONTAINER/ATTEMPT"; "" without one.
std::string Marker(pid_t pid) {
  std::ifstream environment(fmt::format("/proc/{}/environ", pid), std::ios::binary);
  const std::string name = "ENCLAVE_CONTAINER_ID=";
  for (std::string variable; std::getline(environment, variable, '\0');)
    if (variable.starts_with(name)) return variable.substr(name.size());
  return "";
}

pid_t Parent(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  pid_t parent = 0;
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("PPid:\t"))
      std::from_chars(line.data() + 6, line.data() + line.size(), parent);
  return parent;
}

}  // namespace

std::map<std::string, pid_t> ContainerPids(const Enclave& enclave) {
  std::map<std::string, pid_t> pids;
  for (const pid_t pid : enclave.Processes()) {
    const std::string marker = Marker(pid);
    // The first process is the child of something outside the container.
    if (marker.empty() || Marker(Parent(pid)) == marker) continue;
    const std::size_t begin = marker.find('/') + 1;
    pids[marker.substr(begin, marker.rfind('/') - begin)] = pid;
  }
  return pids;
}

std::set<std::string> RunningContainers(const Kubectl& kubectl) {
  std::set<std::string> containers;
  const std::map<std::string, pid_t> pids = ContainerPids(kubectl.enclave());
  for (const Json& pod : At(kubectl.Get("pods"), "items")) {
    if (At(pod, "metadata.deletionTimestamp").is_string()) continue;
    for (const Json& status : At(pod, "status.containerStatuses")) {
      if (!At(status, "state.running").is_object()) continue;
      const std::string name = StringAt(status, "name");
      const auto pid = pids.find(StringAt(pod, "metadata.uid") + "/" + name);
      containers.insert(fmt::format(
          "{}/{} {} {} {} pid {}", StringAt(pod, "metadata.name"), name,
          StringAt(status, "containerID"), StringAt(status, "state.running.startedAt"),
          IntAt(status, "restartCount"), pid == pids.end() ? "none" : std::to_string(pid->second)));
    }
  }
  return containers;
}

}  // namespace enclave::system_test
