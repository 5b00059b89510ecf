// What runs in the enclave besides the cluster itself: the observatory, the boutique, its load;
// from the manifests under deploy/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/state.h"
#include "kube/api.h"

namespace enclave::cli {

// The objects of all manifests of these folders, Namespaces first and else in the order of folders,
// files and documents. ${ENCLAVE_STATE} in a manifest stands for the state directory.
// kInvalidArgument names file and fault.
base::Result<std::vector<kube::Json>> ReadManifests(
    const std::vector<std::filesystem::path>& folders, const StatePaths& paths);

struct Deployed {
  std::size_t created = 0;
  std::size_t changed = 0;  // because their manifest had changed
  std::size_t kept = 0;
};

// Makes the objects be there. One whose manifest is the one it was made from stays as it is, so
// what a user or the agent changed since is kept; one whose manifest changed is patched to it.
base::Result<Deployed> Deploy(kube::Api& api, const std::vector<kube::Json>& objects);

}  // namespace enclave::cli
