// Where the observatory of a running enclave listens.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/state.h"

namespace enclave::cli {

// "http://127.93.241.7:9090": queries, and OTLP over HTTP (/v1/traces). Blocks until the API server
// answers. kNotFound when no enclave runs, or one without an observatory.
base::Result<std::string> ObservatoryUrl(const StatePaths& paths);

}  // namespace enclave::cli
