// Watches every event that becomes durable and every write that takes effect, and knows the truth
// about the shop. The first invariant that breaks is kept, as a sentence.
//
//   1. One action at a time on one workload.
//   2. Nothing past the guardrail: only the policy's namespaces and kinds of action; never more
//   than
//      the allowed share of pods; never a ready pod below the minimum; cooldown between two actions
//      on one workload; at most so many actions in one incident and in one hour.
//   3. No action twice: one object is changed at most once for one action id.
//   4. Nothing is done that is not in the ledger first, and everything done carries its action id
//      and its incident.
//   5. Where no objective is missed nothing is touched.
//   6. Every incident ends resolved, rolled back or escalated. What ends rolled back has nothing
//      standing.
//   7. Events follow the table of stages (the ledger folds without an error).
//
// Cooldown and rate are judged in true time, whatever the wall clock was set to.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/policy.h"
#include "agent/record.h"
#include "base/executor.h"
#include "kube/fake_api.h"
#include "sim/healing/shop.h"

namespace enclave::sim {

class Judge {
 public:
  Judge(const agent::Policy& policy, kube::FakeApi& api, const Shop& shop,
        const base::Executor& executor)
      : policy_(policy), api_(api), shop_(shop), executor_(executor) {}

  void OnEvent(const agent::Event& event);
  void OnWrite(const std::string& verb, const kube::Kind& kind, const kube::ObjectPtr& before,
               const kube::Json& after);
  // The objectives as they are now; called often.
  void Look();
  // Nobody may be left open. `quiet_for` since all is well.
  void AtEnd();
  void ExpectNothingTouched() { nothing_may_be_touched_ = true; }

  const std::optional<std::string>& failure() const { return failure_; }
  const std::map<std::string, agent::Record>& records() const { return records_; }
  std::size_t ended() const;
  std::size_t actions() const { return actions_; }
  std::size_t writes() const { return writes_; }
  // Why incidents were escalated, and how often; those with a fault that no action reaches apart.
  const std::map<std::string, std::size_t>& escalations() const { return escalations_; }
  std::vector<std::string> last_lines() const { return {lines_.begin(), lines_.end()}; }

 private:
  void Fail(const std::string& why);
  void OnActionStarted(const agent::Event& event, const agent::Record& record);
  void CheckReach(const agent::Action& action, const std::string& verb,
                  const kube::ObjectPtr& before);
  const agent::Taken* FindTaken(const std::string& action_id, const agent::Record** record) const;

  const agent::Policy& policy_;
  kube::FakeApi& api_;
  const Shop& shop_;
  const base::Executor& executor_;
  std::map<std::string, agent::Record> records_;
  std::map<std::string, base::MonoTime> last_begun_;  // by subject
  std::deque<base::MonoTime> begun_;
  std::map<std::string, std::size_t> changes_;  // by action id and object
  std::optional<base::MonoTime> missed_at_;     // when an objective was last missed
  bool nothing_may_be_touched_ = false;
  std::map<std::string, std::size_t> escalations_;
  std::size_t actions_ = 0;
  std::size_t writes_ = 0;
  std::optional<std::string> failure_;
  std::deque<std::string> lines_;
};

}  // namespace enclave::sim
