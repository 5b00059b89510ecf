// Evaluates groups of rules on their intervals, writes what they record, and hands alerts on.
//
// A group is evaluated at its own place within its interval (by a hash of its name), its rules in
// order, each one's series durable before the next asks. One evaluation of a group is under way at
// a time; a turn that comes meanwhile falls out. Queries and writes block, so an evaluation is work
// for `workers`; the executor decides when.
//
// After a restart the time since when an alert is active comes from ALERTS_FOR_STATE in the store:
// a pending alert does not wait anew, a firing one fires on.
//
// Thread safety: Apply is called from tasks of `executor`; Status from any thread. Ownership:
// destroyed from a task of the executor or once it has stopped. Executor, engine, sink and source
// outlive the tasks of `workers`, which is drained before they end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "observatory/rules/alerting_rule.h"
#include "observatory/rules/rule_engine.h"
#include "observatory/rules/rule_file.h"
#include "telemetry/sink.h"
#include "telemetry/source.h"
#include "telemetry/workers.h"

namespace enclave::observatory::rules {

struct RuleManagerOptions {
  AlertContext context{};
  // An alert that goes on firing is sent again after this.
  base::Duration resend_delay = std::chrono::minutes(1);
  // How long the program may have been away for the state of alerts to be restored.
  base::Duration outage_tolerance = std::chrono::hours(1);
  // A restored alert that was pending waits at least this long (or what remains of its `for`), so
  // that a series that is back late does not fire it. Rules with a shorter `for` begin anew.
  base::Duration grace_period = std::chrono::seconds(30);
};

struct RuleStatus {
  Rule rule;
  bool evaluated = false;
  std::string last_error{};  // "": the last evaluation went well
  base::WallTime last_evaluation{};
  base::Duration evaluation_time{};
  std::vector<Alert> alerts{};  // active ones
};

struct GroupStatus {
  RuleGroup group;  // without its rules
  base::WallTime last_evaluation{};
  base::Duration evaluation_time{};
  std::size_t missed = 0;
  std::vector<RuleStatus> rules{};
};

class RuleManager {
 public:
  // Called from tasks of the executor.
  using Notify = std::function<void(const std::vector<Notification>&)>;

  // `source` may be null: then no state is restored.
  RuleManager(base::Executor& executor, telemetry::Workers& workers, RuleEngine& engine,
              telemetry::Sink& sink, telemetry::MetricSource* source, Notify notify,
              RuleManagerOptions options = {});
  ~RuleManager();

  // Takes these groups in place of those before. Groups that did not change go on; rules that are
  // the same in a changed group keep their alerts. Series of rules that are gone end.
  void Apply(std::vector<RuleGroup> groups);

  // By file and name.
  std::vector<GroupStatus> Status() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace enclave::observatory::rules
