// What all incidents of one agent share: the policy, the ports, what is known of every incident,
// and the one way to add to it.
//
// Threading: one executor, but for snapshot().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/actuator.h"
#include "agent/guardrail.h"
#include "agent/ledger.h"
#include "agent/object_history.h"
#include "agent/objective_watch.h"
#include "agent/policy.h"
#include "agent/ports.h"
#include "agent/record.h"
#include "base/executor.h"
#include "base/random.h"
#include "kube/api.h"
#include "otel/tracer.h"

namespace enclave::agent {

// All outlive the agent.
struct AgentDependencies {
  base::Executor& executor;
  base::Random& random;
  Ledger& ledger;
  kube::Api& api;
  DryRun& dry_run;
  Diagnoser& diagnoser;
  Objectives& objectives;
  Memory* memory = nullptr;                // null: nothing is remembered or learned
  const ObjectHistory* history = nullptr;  // null: no configuration can be put back
  otel::Tracer* tracer = nullptr;          // null: no spans
  // Takes the post-mortem of an incident that is over; called again after a crash.
  std::function<base::Result<>(const Record&, const std::string& markdown)> publish{};
};

using RecordPtr = std::shared_ptr<const Record>;

// A state of the whole, for those who look on from other threads.
struct Snapshot {
  Mode mode = Mode::kAutonomous;
  std::string mode_by{};
  std::string mode_why{};
  std::vector<RecordPtr> records{};  // by the time they opened
  bool ledger_writable = true;
  std::map<std::string, std::uint64_t> closed{};  // by outcome, since the ledger began
  std::uint64_t actions = 0;
  std::uint64_t undos = 0;
  std::uint64_t alerts_ignored = 0;  // since the start
};

class AgentCore {
 public:
  AgentCore(Policy policy, AgentDependencies dependencies)
      : policy_(std::move(policy)), deps_(std::move(dependencies)), mode_(policy_.mode) {}

  // Takes what the ledger holds.
  base::Result<> Load();
  // Writes an event, then lets it take effect on what is known. When it cannot be written nothing
  // changes, and the caller does nothing of what it announces.
  base::Result<> Append(EventKind kind, const std::string& incident, Json body);

  const Policy& policy() const { return policy_; }
  AgentDependencies& deps() { return deps_; }
  Mode mode() const { return mode_; }
  const std::map<std::string, RecordPtr>& records() const { return records_; }
  RecordPtr Find(const std::string& incident) const;
  std::vector<const Record*> ByTime() const;
  ObjectiveWatch& watch() { return watch_; }
  std::int64_t NowNs() const { return deps_.executor.WallNow().time_since_epoch().count(); }
  base::MonoTime Now() const { return deps_.executor.Now(); }
  // For the guardrail; times as if the wall clock had never been set.
  std::vector<PastAction> PastActions() const;
  void CountIgnored() {
    ++ignored_;
    Publish();
  }

  std::shared_ptr<const Snapshot> snapshot() const;  // any thread
  void Publish();

 private:
  struct Begun {
    std::string subject;
    std::string incident;
    base::MonoTime started;
  };
  base::Result<> Take(const Event& event);
  void Forget();

  // Incidents that are over stay known so long that late alerts find them.
  static constexpr std::size_t kMostOver = 200;
  static constexpr std::size_t kMostBegun = 1000;

  const Policy policy_;
  AgentDependencies deps_;
  Mode mode_;
  std::string mode_by_;
  std::string mode_why_;
  std::map<std::string, RecordPtr> records_;
  std::vector<Begun> begun_;
  ObjectiveWatch watch_;
  std::map<std::string, std::uint64_t> closed_;
  std::uint64_t actions_ = 0;
  std::uint64_t undos_ = 0;
  std::uint64_t ignored_ = 0;
  bool writable_ = true;

  mutable std::mutex snapshot_mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
};

}  // namespace enclave::agent
