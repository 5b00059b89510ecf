// The agent's parts as they are in life: telemetry by URL, evidence and ranking, objectives from
// the series that the policy names, and its own traces.
#pragma once

#include "cli/agent_commands.h"

namespace enclave::cli {

base::Result<std::unique_ptr<AgentParts>> MakeLiveAgentParts(const AgentOptions& options,
                                                             const agent::Policy& policy,
                                                             kube::Client& cluster,
                                                             net::EventLoop& agent_loop);

}  // namespace enclave::cli
