// The kubelet's files in memory, for tests and the simulator.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/kubelet/volume_store.h"

namespace enclave::cluster {

// Thread safety: not thread-safe.
class SimulatedVolumeStore final : public VolumeStore {
 public:
  // What a projected volume holds now; null when there is none.
  const VolumeFiles* Files(const std::string& pod_uid, const std::string& volume) const;
  // How often its content changed, the first time included.
  int Projections(const std::string& pod_uid, const std::string& volume) const;
  // Each call of Project fails with this until it is reset.
  void SetFault(std::optional<base::Error> fault) { fault_ = std::move(fault); }
  void WriteTerminationMessage(const std::string& pod_uid, const std::string& container,
                               std::int64_t attempt, std::string message);
  // What ReadLogEnd answers for this run.
  void WriteLog(const std::string& pod_uid, const std::string& container, std::int64_t attempt,
                std::string text);

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

 private:
  struct Volume {
    VolumeFiles files;
    int projections = 0;
  };
  struct Pod {
    std::map<std::string, Volume> volumes;
    std::map<std::pair<std::string, std::int64_t>, std::string> messages;
    std::map<std::pair<std::string, std::int64_t>, std::string> logs;
  };

  std::map<std::string, Pod> pods_;
  std::optional<base::Error> fault_;
};

}  // namespace enclave::cluster
