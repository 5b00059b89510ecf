#include "cluster/kubelet/simulated_volume_store.h"

#include <fmt/format.h>

namespace enclave::cluster {

const VolumeFiles* SimulatedVolumeStore::Files(const std::string& pod_uid,
                                               const std::string& volume) const {
  const auto pod = pods_.find(pod_uid);
  if (pod == pods_.end()) return nullptr;
  const auto found = pod->second.volumes.find(volume);
  return found == pod->second.volumes.end() ? nullptr : &found->second.files;
}

int SimulatedVolumeStore::Projections(const std::string& pod_uid, const std::string& volume) const {
  const auto pod = pods_.find(pod_uid);
  if (pod == pods_.end()) return 0;
  const auto found = pod->second.volumes.find(volume);
  return found == pod->second.volumes.end() ? 0 : found->second.projections;
}

void SimulatedVolumeStore::WriteTerminationMessage(const std::string& pod_uid,
                                                   const std::string& container,
                                                   std::int64_t attempt, std::string message) {
  pods_[pod_uid].messages[{container, attempt}] = std::move(message);
}

void SimulatedVolumeStore::WriteLog(const std::string& pod_uid, const std::string& container,
                                    std::int64_t attempt, std::string text) {
  pods_[pod_uid].logs[{container, attempt}] = std::move(text);
}

base::Result<std::string> SimulatedVolumeStore::Project(const std::string& pod_uid,
                                                        const std::string& volume,
                                                        const VolumeFiles& files) {
  if (fault_) return base::Fail(*fault_);
  Volume& known = pods_[pod_uid].volumes[volume];
  if (known.projections == 0 || known.files != files) {
    known.files = files;
    ++known.projections;
  }
  return fmt::format("/volumes/{}/{}", pod_uid, volume);
}

base::Result<std::string> SimulatedVolumeStore::EmptyDirectory(const std::string& pod_uid,
                                                               const std::string& volume) {
  pods_[pod_uid].volumes[volume];
  return fmt::format("/volumes/{}/{}", pod_uid, volume);
}

base::Result<> SimulatedVolumeStore::CheckHostPath(const std::string& path, const std::string&) {
  if (!path.starts_with('/'))
    return base::Fail(base::ErrorKind::kInvalidArgument, "hostPath must be absolute");
  return {};
}

base::Result<std::string> SimulatedVolumeStore::SubPath(const std::string& volume_path,
                                                        const std::string& sub_path) {
  if (sub_path.starts_with('/') || sub_path.contains(".."))
    return base::Fail(base::ErrorKind::kInvalidArgument, "subPath leads out of the volume");
  return volume_path + "/" + sub_path;
}

base::Result<std::string> SimulatedVolumeStore::LogDirectory(const std::string& pod_namespace,
                                                             const std::string& pod_name,
                                                             const std::string& pod_uid,
                                                             const std::string& container) {
  pods_[pod_uid];
  return fmt::format("/logs/{}_{}_{}/{}", pod_namespace, pod_name, pod_uid, container);
}

void SimulatedVolumeStore::TrimLogs(const std::string&, std::int64_t) {}

base::Result<std::string> SimulatedVolumeStore::TerminationMessageFile(const std::string& pod_uid,
                                                                       const std::string& container,
                                                                       std::int64_t attempt) {
  pods_[pod_uid].messages[{container, attempt}];
  return fmt::format("/messages/{}/{}/{}", pod_uid, container, attempt);
}

std::string SimulatedVolumeStore::ReadTerminationMessage(const std::string& pod_uid,
                                                         const std::string& container,
                                                         std::int64_t attempt) {
  const auto pod = pods_.find(pod_uid);
  if (pod == pods_.end()) return "";
  const auto found = pod->second.messages.find({container, attempt});
  return found == pod->second.messages.end() ? "" : found->second;
}

std::string SimulatedVolumeStore::ReadLogEnd(const std::string&, const std::string&,
                                             const std::string& pod_uid,
                                             const std::string& container, std::int64_t attempt) {
  const auto pod = pods_.find(pod_uid);
  if (pod == pods_.end()) return "";
  const auto found = pod->second.logs.find({container, attempt});
  return found == pod->second.logs.end() ? "" : found->second;
}

void SimulatedVolumeStore::RemovePod(const std::string& pod_uid) {
  pods_.erase(pod_uid);
}

std::vector<std::string> SimulatedVolumeStore::Pods() {
  std::vector<std::string> uids;
  for (const auto& [uid, pod] : pods_) uids.push_back(uid);
  return uids;
}

}  // namespace enclave::cluster
