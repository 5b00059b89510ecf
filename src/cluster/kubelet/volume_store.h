// The kubelet's port to its own files: the directories of pod volumes, of their logs and of the
// files it makes for them. A disk twin (disk_volume_store.h) and one in memory
// (simulated_volume_store.h).
//
// Thread safety: called from tasks of the kubelet's executor only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace enclave::cluster {

struct VolumeFile {
  std::string content;
  int mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};

// By path relative to the volume: "app.conf", "certs/ca.crt". Never absolute, never with "..".
using VolumeFiles = std::map<std::string, VolumeFile>;

class VolumeStore {
 public:
  virtual ~VolumeStore() = default;

  // The volume holds exactly these files: its path. A change is seen by readers at once and whole,
  // as in Kubernetes (AtomicWriter): the files lie in a new directory to which `..data` is
  // switched, and each visible name is a symbolic link through `..data`. Equal content writes
  // nothing.
  virtual base::Result<std::string> Project(const std::string& pod_uid, const std::string& volume,
                                            const VolumeFiles& files) = 0;
  // An empty directory at first, the same one afterwards: its path.
  virtual base::Result<std::string> EmptyDirectory(const std::string& pod_uid,
                                                   const std::string& volume) = 0;
  // Fails when the machine's `path` is not what `type` says (hostPath.type; "" accepts anything).
  // The ...OrCreate types make it.
  virtual base::Result<> CheckHostPath(const std::string& path, const std::string& type) = 0;
  // `volume_path`/`sub_path`, made as a directory when there is nothing. kInvalidArgument when
  // sub_path leads out of the volume.
  virtual base::Result<std::string> SubPath(const std::string& volume_path,
                                            const std::string& sub_path) = 0;
  // Where the logs of a container's runs lie; made when missing.
  virtual base::Result<std::string> LogDirectory(const std::string& pod_namespace,
                                                 const std::string& pod_name,
                                                 const std::string& pod_uid,
                                                 const std::string& container) = 0;
  // Forgets old runs' logs of a container: those of attempts before `oldest_kept`.
  virtual void TrimLogs(const std::string& log_directory, std::int64_t oldest_kept) = 0;
  // An empty file that one run of a container may write its last words to: its path.
  virtual base::Result<std::string> TerminationMessageFile(const std::string& pod_uid,
                                                           const std::string& container,
                                                           std::int64_t attempt) = 0;
  // The end of what is in it, at most 4 KiB; "" when nothing.
  virtual std::string ReadTerminationMessage(const std::string& pod_uid,
                                             const std::string& container,
                                             std::int64_t attempt) = 0;
  // The end of what one run wrote into its log: at most 80 lines and 2 KiB; "" when nothing.
  virtual std::string ReadLogEnd(const std::string& pod_namespace, const std::string& pod_name,
                                 const std::string& pod_uid, const std::string& container,
                                 std::int64_t attempt) = 0;
  // Volumes, logs and all else of the pod.
  virtual void RemovePod(const std::string& pod_uid) = 0;
  // Pods that have something here.
  virtual std::vector<std::string> Pods() = 0;
};

}  // namespace enclave::cluster
