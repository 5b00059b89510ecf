// A small shop in a cluster: Deployments whose rollouts, pods and configuration behave as in
// Kubernetes as far as the agent can tell, and faults that sit in them, so that the right action
// (and no other) takes them away.
//
// Threading: one executor.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "base/executor.h"
#include "base/random.h"
#include "incident/context.h"
#include "kube/fake_api.h"
#include "rca/diagnosis.h"

namespace enclave::sim {

enum class FaultKind : std::uint8_t {
  kBadRelease,   // a template that fails
  kBadConfig,    // a ConfigMap that fails its readers from their next start
  kBadSelector,  // a Service that finds no pod
  kScaledToZero,
  kHang,       // one pod that answers nothing
  kElsewhere,  // nothing the agent can do
  kPassing,    // goes by itself
};

struct Fault {
  FaultKind kind = FaultKind::kElsewhere;
  std::string service{};
  base::MonoTime since{};
  std::optional<base::MonoTime> ends{};  // by itself, or by people
};

class Shop {
 public:
  static constexpr const char* kNamespace = "shop";

  Shop(kube::FakeApi& api, base::Executor& executor, base::Random& random);

  // The controllers' turn: rollouts go on, pods start.
  void Step();
  void Break(const Fault& fault);
  // People put everything right.
  void MendAll();
  // A change that breaks nothing: a good release, a restart, a pod that goes.
  void Potter();

  bool FaultyNow(const std::string& service) const;  // by itself, not by what it calls
  // Services that are faulty among those that this one's requests reach.
  std::size_t FaultyBelow(const std::string& objective_service) const;
  bool AllWell() const;
  // Whether something is wrong that nothing the agent may do takes away.
  bool BeyondActions() const;
  std::vector<agent::Objective> Objectives() const;
  const std::vector<std::string>& services() const { return services_; }
  static std::vector<incident::Call> Topology();
  // What was changed lately, as a watcher of the cluster sees it.
  const std::vector<incident::Change>& changes() const { return changes_; }
  // The true cause at present; nullopt when nothing is wrong.
  std::optional<Fault> Truth() const;

 private:
  bool LooksFaulty(const std::string& service) const;
  void MakeService(const std::string& name, std::int64_t replicas);
  void Roll(const kube::ObjectPtr& deployment);
  kube::ObjectPtr Deployment(const std::string& service) const;
  std::vector<kube::ObjectPtr> PodsOf(const std::string& service) const;
  void Release(const std::string& service, bool bad);
  void Note(const std::string& service, incident::ChangeKind kind);
  void Must(const base::Result<kube::ObjectPtr>& done);

  kube::FakeApi& api_;
  base::Executor& executor_;
  base::Random& random_;
  std::vector<std::string> services_;
  std::vector<Fault> faults_;
  std::set<std::string> hanging_;           // uids of pods
  std::map<std::string, bool> loaded_bad_;  // by uid: the configuration the pod began with
  std::vector<incident::Change> changes_;
  std::uint64_t releases_ = 0;
  // Looked up often, and the same until something is written.
  std::optional<kube::Revision> at_rest_{};  // the controllers had nothing to do
  mutable kube::Revision known_at_ = kube::Revision::kNone;
  mutable std::map<std::string, bool> known_faulty_;
};

}  // namespace enclave::sim
