// The subcommands of the agent: the agent itself, and what people ask of it. Exit codes as in
// commands.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "cli/output.h"
#include "net/event_loop.h"
#include "otel/tracer.h"

namespace enclave::cli {

struct AgentOptions {
  std::string kubeconfig;  // a file, or "in-cluster"
  std::string prometheus;  // URLs
  std::string loki;
  std::string tempo;
  std::string policy = "deploy/policy.yaml";
  std::string state;
  std::string http = "127.0.0.1:9096";
};

// Of the running agent, for the parts.
class AgentView {
 public:
  virtual ~AgentView() = default;
  virtual base::Result<std::vector<incident::Change>> Changes(std::int64_t from_ns,
                                                              std::int64_t to_ns) const = 0;
};

// What the agent asks of others, with all that it stands on. Destroyed after the agent.
class AgentParts {
 public:
  virtual ~AgentParts() = default;
  virtual agent::Diagnoser& diagnoser() = 0;
  virtual agent::Objectives& objectives() = 0;
  virtual agent::Memory* memory() { return nullptr; }
  virtual otel::Tracer* tracer() { return nullptr; }
  // The agent runs now: what changed in the cluster can be asked for.
  virtual void OnStarted(const AgentView&) {}
};

// `agent_loop` is where answers are posted to.
using MakeAgentParts = std::function<base::Result<std::unique_ptr<AgentParts>>(
    const AgentOptions& options, net::EventLoop& agent_loop)>;

// The agent in the foreground, until SIGINT or SIGTERM.
int RunAgent(const AgentOptions& options, const MakeAgentParts& make);

struct AskAgentOptions {
  std::string agent = "http://127.0.0.1:9096";  // of the agent's --http
  std::string id;                               // incident, or action that waits
  std::string mode;                             // "": only shown
  std::string by;                               // "": $USER
  std::string why;
  OutputFormat output = OutputFormat::kText;
};
int ShowOrSetMode(const AskAgentOptions& options);
int Approve(const AskAgentOptions& options);
int Reject(const AskAgentOptions& options);
// Without an id the list; with one its report.
int ShowIncidents(const AskAgentOptions& options);

}  // namespace enclave::cli
