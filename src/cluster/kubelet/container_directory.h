// The directory in which kubelet and shim keep one container: STATE/containers/POD_UID/CONTAINER/
// ATTEMPT with `spec`, `status.json`, `lock` and, after an out-of-memory kill by the memory watch,
// `oom` (docs/formats/container-state.md).
//
// Whether a shim is alive is told by `lock` alone: the kubelet takes it before it starts the shim
// and the shim inherits it, so there is no moment in which a container could run without it, and
// neither a reused pid nor a reboot can fake it.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/kubelet/container_files.h"
#include "cluster/kubelet/runtime.h"

namespace enclave::cluster {

// A short name of the enclave that lives in a state directory, the same at every start.
std::string EnclaveId(const std::string& state_directory);
std::filesystem::path ContainersDirectory(const std::string& state_directory);

class ContainerDirectory {
 public:
  // kInvalidArgument when a part of the id is no plain file name.
  static base::Result<ContainerDirectory> Of(const std::string& state_directory,
                                             const ContainerId& id);
  // Every directory that is there, whole or not.
  static std::vector<ContainerDirectory> All(const std::string& state_directory);

  const ContainerId& id() const { return id_; }
  const std::string& path() const { return path_; }
  std::string marker() const;  // the value of kContainerIdVariable in its processes

  // Makes the directory and takes the lock; the descriptor holds it, and so does whoever inherits
  // it. kAlreadyExists when a shim holds it.
  base::Result<int> CreateAndLock() const;
  bool ShimAlive() const;
  base::Result<> WriteSpec(const ShimSpec& spec) const;
  std::optional<ShimSpec> ReadSpec() const;
  std::optional<ShimStatus> ReadStatus() const;
  // Waits until the shim has written a status or is gone.
  std::optional<ShimStatus> AwaitStatus(std::chrono::milliseconds timeout) const;
  base::Result<> WriteStatus(const ShimStatus& status) const;
  void MarkOutOfMemory() const;
  // Removes it, and the directories above it that became empty.
  void Remove() const;

 private:
  ContainerDirectory(std::string enclave, ContainerId id, std::string path)
      : enclave_(std::move(enclave)), id_(std::move(id)), path_(std::move(path)) {}

  std::string enclave_;
  ContainerId id_;
  std::string path_;
};

// Of this boot of the machine.
const std::string& BootId();

}  // namespace enclave::cluster
