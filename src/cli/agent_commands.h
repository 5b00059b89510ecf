// The subcommands of the agent: the agent itself, and what people ask of it. Exit codes as in
// commands.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/policy.h"
#include "agent/ports.h"
#include "cli/output.h"
#include "kube/client.h"
#include "net/event_loop.h"
#include "otel/tracer.h"

namespace CLI {
class App;
}

namespace enclave::cli {

// Adds all of them. The result runs the one that was given, or returns kNotGiven; it lives as long
// as `app`.
std::function<int()> AddAgent(CLI::App& app);
inline constexpr int kNotGiven = -1;

struct AgentOptions {
  std::string kubeconfig;  // a file, or "in-cluster"
  std::string prometheus;  // URLs
  std::string loki;
  std::string tempo;
  std::string policy;  // a file; "": the one that belongs to this program
  std::string state;
  std::string memory;  // a directory; "": in that of the state
  std::string http = "127.0.0.1:9096";
};

// Of the running agent, for the parts. Any thread.
class AgentView {
 public:
  virtual ~AgentView() = default;
  virtual base::Result<std::vector<incident::Change>> Changes(std::int64_t from_ns,
                                                              std::int64_t to_ns) const = 0;
  // Who calls whom, as seen lately.
  virtual void SetTopology(const std::vector<incident::Call>& calls) const = 0;
};

// What the agent asks of others, with all that it stands on. Destroyed after the agent; between
// OnEnd and then nothing asks the view any more.
class AgentParts {
 public:
  virtual ~AgentParts() = default;
  virtual agent::Diagnoser& diagnoser() = 0;
  virtual agent::Objectives& objectives() = 0;
  virtual agent::Memory* memory() { return nullptr; }
  virtual otel::Tracer* tracer() { return nullptr; }
  // The agent runs now: what changed in the cluster can be asked for.
  virtual void OnStarted(const AgentView&) {}
  virtual void OnEnd() {}
};

// `agent_loop` is where answers are posted to. All that is given outlives the parts.
using MakeAgentParts = std::function<base::Result<std::unique_ptr<AgentParts>>(
    const AgentOptions& options, const agent::Policy& policy, kube::Client& cluster,
    net::EventLoop& agent_loop)>;

// The agent in the foreground, until SIGINT or SIGTERM.
int RunAgent(const AgentOptions& options, const MakeAgentParts& make);

struct AskAgentOptions {
  std::string state;  // the enclave whose agent is asked
  std::string agent;  // URL of another one's --http; "": the enclave's
  std::string id;     // incident, or action that waits
  std::string mode;   // "": only shown
  std::string by;     // "": $USER
  std::string why;
  OutputFormat output = OutputFormat::kText;
};
int ShowOrSetMode(const AskAgentOptions& options);
int Approve(const AskAgentOptions& options);
int Reject(const AskAgentOptions& options);
// Without an id the list; with one its report.
int ShowIncidents(const AskAgentOptions& options);

}  // namespace enclave::cli
