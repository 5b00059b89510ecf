// The commands' way into a running enclave: its API, as any other client would reach it.
#pragma once

#include <memory>

#include "base/result.h"
#include "cli/state.h"
#include "kube/api.h"
#include "net/event_loop.h"

namespace enclave::cli {

// A client with the enclave's admin kubeconfig. kNotFound when there is none.
base::Result<std::unique_ptr<kube::Api>> OpenApi(const StatePaths& paths, net::EventLoop& loop);

}  // namespace enclave::cli
