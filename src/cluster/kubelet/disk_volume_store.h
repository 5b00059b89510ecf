// The kubelet's files on disk:
//
//   ROOT/pods/UID/volumes/NAME/...            emptyDir
//   ROOT/pods/UID/volumes/NAME/..data         -> ..REVISION/ of a projected volume
//   ROOT/pods/UID/messages/CONTAINER.ATTEMPT  termination messages
//   LOGS/NS_POD_UID/CONTAINER/ATTEMPT.log     (and rotations, written by the shim)
//
// Thread safety: not thread-safe; lives on the kubelet's executor. Small files, written directly.
#pragma once

#include <string>
#include <vector>

#include "cluster/kubelet/volume_store.h"

namespace enclave::cluster {

// LOGS/NS_POD_UID/CONTAINER, made or not.
std::string PodLogDirectory(const std::string& logs, const std::string& pod_namespace,
                            const std::string& pod_name, const std::string& pod_uid,
                            const std::string& container);

class DiskVolumeStore final : public VolumeStore {
 public:
  // Both directories are made when missing, readable by their owner only.
  DiskVolumeStore(std::string root, std::string logs);

  base::Result<std::string> Project(const std::string& pod_uid, const std::string& volume,
                                    const VolumeFiles& files) override;
  base::Result<std::string> EmptyDirectory(const std::string& pod_uid,
                                           const std::string& volume) override;
  base::Result<> CheckHostPath(const std::string& path, const std::string& type) override;
  base::Result<std::string> SubPath(const std::string& volume_path,
                                    const std::string& sub_path) override;
  base::Result<std::string> LogDirectory(const std::string& pod_namespace,
                                         const std::string& pod_name, const std::string& pod_uid,
                                         const std::string& container) override;
  void TrimLogs(const std::string& log_directory, std::int64_t oldest_kept) override;
  base::Result<std::string> TerminationMessageFile(const std::string& pod_uid,
                                                   const std::string& container,
                                                   std::int64_t attempt) override;
  std::string ReadTerminationMessage(const std::string& pod_uid, const std::string& container,
                                     std::int64_t attempt) override;
  std::string ReadLogEnd(const std::string& pod_namespace, const std::string& pod_name,
                         const std::string& pod_uid, const std::string& container,
                         std::int64_t attempt) override;
  void RemovePod(const std::string& pod_uid) override;
  std::vector<std::string> Pods() override;

  // Of the pod's directory; for files that others keep there (its hosts file).
  base::Result<std::string> PodDirectory(const std::string& pod_uid);

 private:
  const std::string root_;
  const std::string logs_;
};

}  // namespace enclave::cluster
