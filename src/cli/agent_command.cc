#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "agent/service.h"
#include "base/log.h"
#include "cli/agent_commands.h"
#include "cli/machine.h"
#include "cli/observatory.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "otel/context.h"

namespace enclave::cli {
namespace {

base::Result<kube::ClientConfig> FindAgentCluster(const std::string& kubeconfig) {
  if (kubeconfig == "in-cluster") return kube::InClusterConfig();
  ASSIGN_OR_RETURN(const kube::Kubeconfig file, kube::Kubeconfig::Load({kubeconfig}));
  return file.Resolve();
}

class ViewOfService final : public AgentView {
 public:
  explicit ViewOfService(agent::Service& service) : service_(service) {}
  base::Result<std::vector<incident::Change>> Changes(std::int64_t from_ns,
                                                      std::int64_t to_ns) const override {
    return service_.history().Changes(from_ns, to_ns);
  }
  void SetTopology(const std::vector<incident::Call>& calls) const override {
    service_.TellAgent([calls](agent::Agent& agent) { agent.SetTopology(calls); });
  }

 private:
  agent::Service& service_;
};

base::Result<> RunUntilSignal(const AgentOptions& options, const MakeAgentParts& make,
                              const sigset_t& signals) {
  ASSIGN_OR_RETURN(
      agent::Policy policy,
      agent::LoadPolicy(options.policy.empty() ? (FindDeployDirectory() / "policy.yaml").string()
                                               : options.policy));
  ASSIGN_OR_RETURN(const ListenAddress address, ParseListenAddress(options.http));
  ASSIGN_OR_RETURN(const kube::ClientConfig cluster, FindAgentCluster(options.kubeconfig));
  // The API's own loop is not the agent's, which waits for its answers.
  net::EventLoop kube_loop("agent-kube");
  net::EventLoop http_loop("agent-http", 2);
  net::EventLoop agent_loop("agent");
  ASSIGN_OR_RETURN(const auto client, kube::Client::Connect(kube_loop, cluster));
  client->SetCurrentTrace(otel::CurrentTrace);
  ASSIGN_OR_RETURN(const auto parts, make(options, policy, *client, agent_loop));
  ASSIGN_OR_RETURN(auto service, agent::Service::Start(agent_loop, http_loop,
                                                       {.state = options.state,
                                                        .address = address.host,
                                                        .port = address.port,
                                                        .policy = std::move(policy)},
                                                       {.cluster = *client,
                                                        .diagnoser = parts->diagnoser(),
                                                        .objectives = parts->objectives(),
                                                        .memory = parts->memory(),
                                                        .tracer = parts->tracer()}));
  const ViewOfService view(*service);
  parts->OnStarted(view);
  fmt::print("agent: http://{}:{}\n", address.host == "0.0.0.0" ? "127.0.0.1" : address.host,
             service->port());
  std::fflush(stdout);
  int signal = 0;
  ::sigwait(&signals, &signal);
  base::LogInfo("agent", "ends", {{"signal", signal}});
  parts->OnEnd();
  service.reset();
  return {};
}

}  // namespace

// Signals are taken by this thread alone, so they are blocked before any other is made.
int RunAgent(const AgentOptions& options, const MakeAgentParts& make) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  RaiseFileLimit();
  const auto ended = RunUntilSignal(options, make, signals);
  return ended ? 0 : Complain(ended.error());
}

}  // namespace enclave::cli
