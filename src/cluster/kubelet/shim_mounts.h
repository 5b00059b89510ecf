// The container's own view of the file system, made inside a private mount namespace: volumes and
// the pod's hosts file are bind-mounted; mount points that the machine does not have are made
// without touching the machine, by covering their nearest existing directory with a memory file
// system in which everything that was there is bind-mounted again.
//
// Nothing here is ever visible outside of the calling process and its children. Standard library
// only (see container_files.h).
#pragma once

#include <string>
#include <vector>

#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {

struct MountOutcome {
  bool isolated = false;  // false: this system gives no mount namespace; nothing was mounted
  std::vector<std::string> warnings;
  std::string error;  // not empty: a mount failed, the container must not run
};

// Must be called by a single-threaded process. `scratch` is an existing path, absolute, where a
// directory may be made; it serves when a mount point is missing directly under "/".
MountOutcome EnterPrivateMounts(std::vector<ShimMount> mounts, const std::string& scratch);

}  // namespace enclave::cluster
