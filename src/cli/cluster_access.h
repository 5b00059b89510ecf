// The commands' way into a running enclave: its API, as any other client would reach it, and the
// services in it.
//
// Threading: all block.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/state.h"
#include "kube/api.h"
#include "net/event_loop.h"

namespace enclave::cli {

// A client with the enclave's admin kubeconfig. What is sent under a current span carries its
// trace. kNotFound when there is none.
base::Result<std::unique_ptr<kube::Api>> OpenApi(const StatePaths& paths, net::EventLoop& loop);

// "http://127.93.241.7:9090" of the observatory (queries, and OTLP over HTTP), and of the agent
// (its console). kNotFound when no enclave runs, or one without it.
base::Result<std::string> ObservatoryUrl(const StatePaths& paths);
base::Result<std::string> AgentUrl(const StatePaths& paths);

}  // namespace enclave::cli
