#include "cluster/kubelet/pod_logs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "cluster/kubelet/disk_volume_store.h"
#include "cluster/kubelet/log_reader.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::At;
using kube::Json;
using kube::StringAt;

std::vector<std::string> ContainerNames(const Json& pod, std::string_view field) {
  std::vector<std::string> names;
  for (const Json& container : At(pod, field)) names.push_back(StringAt(container, "name"));
  return names;
}

// The container that the options name, or the only one there is.
Result<std::string> ChooseContainer(const Json& pod, const std::string& pod_name,
                                    const std::string& asked) {
  const auto names = ContainerNames(pod, "spec.containers");
  const auto init_names = ContainerNames(pod, "spec.initContainers");
  if (asked.empty()) {
    if (names.size() == 1 && init_names.empty()) return names.front();
    if (names.size() == 1)
      return Fail(
          ErrorKind::kInvalidArgument,
          fmt::format("a container name must be specified for pod {}, choose one of: [{}] or one "
                      "of the init containers: [{}]",
                      pod_name, fmt::join(names, " "), fmt::join(init_names, " ")));
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("a container name must be specified for pod {}, choose one of: [{}]",
                            pod_name, fmt::join(names, " ")));
  }
  if (std::ranges::find(names, asked) == names.end() &&
      std::ranges::find(init_names, asked) == init_names.end())
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("container {} is not valid for pod {}", asked, pod_name));
  return asked;
}

const Json& StatusOf(const Json& pod, const std::string& container) {
  static const Json kNone;
  for (const char* field : {"status.containerStatuses", "status.initContainerStatuses"}) {
    for (const Json& status : At(pod, field)) {
      if (StringAt(status, "name") == container) return status;
    }
  }
  return kNone;
}

// The attempt in "enclave://POD_UID/CONTAINER/ATTEMPT".
std::optional<std::int64_t> AttemptOf(const std::string& container_id) {
  const std::size_t slash = container_id.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  std::int64_t attempt = 0;
  const char* end = container_id.data() + container_id.size();
  const auto [parsed, error] = std::from_chars(container_id.data() + slash + 1, end, attempt);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return attempt;
}

Result<std::int64_t> ChooseAttempt(const Json& status, const std::string& pod_name,
                                   const std::string& container, bool previous) {
  if (previous) {
    if (const auto attempt = AttemptOf(StringAt(status, "lastState.terminated.containerID")))
      return *attempt;
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("previous terminated container \"{}\" in pod \"{}\" not found",
                            container, pod_name));
  }
  if (const auto attempt = AttemptOf(StringAt(status, "containerID"))) return *attempt;
  const std::string& reason = StringAt(status, "state.waiting.reason");
  return Fail(ErrorKind::kInvalidArgument,
              fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}", container,
                          pod_name, reason.empty() ? "ContainerCreating" : reason));
}

}  // namespace

Result<std::unique_ptr<kube::LogStream>> PodLogs::OpenLog(const std::string& ns,
                                                          const std::string& pod_name,
                                                          const kube::LogOptions& options) {
  ASSIGN_OR_RETURN(const kube::ObjectPtr pod, api_.Get(kube::kPod, ns, pod_name));
  ASSIGN_OR_RETURN(const std::string container,
                   ChooseContainer(pod->json(), pod_name, options.container));
  ASSIGN_OR_RETURN(
      const std::int64_t attempt,
      ChooseAttempt(StatusOf(pod->json(), container), pod_name, container, options.previous));
  LogFile file;
  file.directory = PodLogDirectory(directory_, ns, pod_name, pod->uid(), container);
  file.attempt = attempt;
  file.running = [this, ns, pod_name, container, attempt, uid = pod->uid()] {
    const auto now = api_.Get(kube::kPod, ns, pod_name);
    if (!now || (*now)->uid() != uid) return false;
    const Json& status = StatusOf((*now)->json(), container);
    return AttemptOf(StringAt(status, "containerID")) == attempt &&
           At(status, "state.running").is_object();
  };
  return OpenLogFile(loop_, std::move(file), options);
}

}  // namespace enclave::cluster
