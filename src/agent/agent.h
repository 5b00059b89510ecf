// The autonomous SRE agent: takes alerts, and drives each incident from detection to its end
// (stage.h) through diagnosis, plan, guardrail, action and verification.
//
//   auto agent = Agent::Start(policy, dependencies);   // goes on where the last process ended
//   agent->OnAlert(alert);                             // from whatever detects
//
// Invariants, whatever crashes, is lost or comes late (sim/healing holds them over many thousand
// incidents): one action at a time on one workload; nothing past the guardrail; no action twice;
// every incident ends resolved, rolled back or escalated; where no objective is missed nothing is
// touched.
//
// Threading: everything on the executor's tasks, but for snapshot(). Calls to Kubernetes and to the
// objectives block the executor for as long as they take.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/core.h"
#include "agent/driver.h"
#include "agent/grouping.h"

namespace enclave::agent {

class Agent {
 public:
  // Reads the ledger and goes on. Errors: the ledger's.
  static base::Result<std::unique_ptr<Agent>> Start(Policy policy, AgentDependencies dependencies);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  void OnAlert(const AlertEvent& alert);
  // Who calls whom, for grouping; until it is said, what frozen contexts show counts.
  void SetTopology(const std::vector<incident::Call>& calls);
  // Survives restarts: it is in the ledger.
  base::Result<> SetMode(Mode mode, const std::string& by, const std::string& why);
  // `id`: of the incident or of the action that waits. kNotFound, or kUnprocessable when nothing
  // waits there.
  base::Result<> Approve(const std::string& id, const std::string& by);
  base::Result<> Reject(const std::string& id, const std::string& by, const std::string& why);
  // The breaker around the language model opened: from now on people decide.
  void OnBreakerOpen();

  // Any thread.
  std::shared_ptr<const Snapshot> snapshot() const { return core_.snapshot(); }

 private:
  Agent(Policy policy, AgentDependencies dependencies)
      : core_(std::move(policy), std::move(dependencies)) {}

  void Tick();
  void Arm();
  void Drive(const std::string& incident);
  void StepAll();
  void OpenIncident(const std::vector<AlertEvent>& alerts);
  // Objectives that are missed again while the alerts of a repaired incident never ended.
  void ReopenRelapses();
  // Raises and ends the agent's own alerts: objectives that are missed, whoever else says so.
  void WatchObjectives();
  void LearnTopology();
  base::Result<RecordPtr> Waiting(const std::string& id) const;

  AgentCore core_;
  Neighbourhood neighbourhood_;
  bool topology_given_ = false;
  std::map<std::string, std::unique_ptr<Driver>> drivers_;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
};

}  // namespace enclave::agent
