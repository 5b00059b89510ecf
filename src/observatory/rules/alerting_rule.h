// An alerting rule with the alerts it has.
//
// Thread safety: one call at a time; by any thread.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/result.h"
#include "observatory/rules/alert.h"
#include "observatory/rules/rule_engine.h"
#include "observatory/rules/rule_file.h"

namespace enclave::observatory::rules {

// What an evaluation gives to write.
struct RuleSample {
  telemetry::Labels labels;
  double value;
};

// What templates see beside the alert.
struct AlertContext {
  telemetry::Labels external_labels{};
  std::string external_url{};
};

class AlertingRule {
 public:
  explicit AlertingRule(Rule rule) : rule_(std::move(rule)) {}

  // The time since when an alert with these labels was active before a restart; nullopt: it was
  // not. Asked once for each alert of the first evaluation.
  using Restore = std::function<std::optional<base::WallTime>(const telemetry::Labels& labels)>;

  // Evaluates at `now`, asking the engine at `now` - query_offset. On an error the alerts stay as
  // they were (over the limit of the group: all end). `restore` may be empty.
  base::Result<std::vector<RuleSample>> Evaluate(base::WallTime now, base::Duration query_offset,
                                                 std::uint64_t limit, RuleEngine& engine,
                                                 const AlertContext& context,
                                                 const Restore& restore = {});

  // Those that are due to be sent: fresh ones, resolved ones once, others each `resend`. They count
  // as sent.
  std::vector<Notification> Due(base::WallTime now, base::Duration resend, base::Duration interval,
                                const AlertContext& context);

  const Rule& rule() const { return rule_; }
  // Pending and firing ones, by labels.
  std::vector<Alert> Active() const;
  // Takes over the alerts of the same rule in its version before a reload.
  void TakeOver(AlertingRule& before) { alerts_ = std::move(before.alerts_); }

 private:
  base::Result<Alert> MakeAlert(const VectorSample& sample, base::WallTime now,
                                base::Duration query_offset, RuleEngine& engine,
                                const AlertContext& context) const;

  Rule rule_;
  std::map<telemetry::Labels, Alert> alerts_;
};

}  // namespace enclave::observatory::rules
