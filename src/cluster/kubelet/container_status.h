// Reads what a shim wrote into status.json.
#pragma once

#include <string_view>

#include "base/result.h"
#include "cluster/kubelet/container_files.h"

namespace enclave::cluster {

// The inverse of EncodeShimStatus. kInvalidArgument for anything else, half-written files too.
base::Result<ShimStatus> ParseShimStatus(std::string_view text);

}  // namespace enclave::cluster
