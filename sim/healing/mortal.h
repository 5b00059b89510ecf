// The ports through which the agent reaches the world, with its death: at a call that chance names,
// before or after it took effect, the process is dead, and from then on nothing of it reaches
// anything. What else goes wrong on the way to the API is a FaultyApi's in front of this one.
//
// Threading: one executor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/actuator.h"
#include "agent/ledger.h"
#include "base/random.h"
#include "kube/api.h"

namespace enclave::sim {

class Death {
 public:
  explicit Death(base::Random& random) : random_(random) {}
  void SetOdds(double per_call) { odds_ = per_call; }
  bool dead() const { return dead_; }
  void Revive() { dead_ = false; }
  // Asked before and after each call. True: the process is dead.
  bool Strikes();
  std::uint64_t deaths() const { return deaths_; }

 private:
  base::Random& random_;
  double odds_ = 0;
  bool dead_ = false;
  std::uint64_t deaths_ = 0;
};

class MortalApi final : public kube::Api {
 public:
  // Told of each write that took effect, with what was there before (null: created).
  using Observer = std::function<void(const std::string& verb, const kube::Kind& kind,
                                      const kube::ObjectPtr& before, const kube::Json& after)>;

  MortalApi(kube::Api& api, Death& death, Observer observer)
      : api_(api), death_(death), observer_(std::move(observer)) {}

  base::Result<kube::ObjectPtr> Get(const kube::Kind& kind, const std::string& ns,
                                    const std::string& name) override;
  base::Result<kube::ObjectList> List(const kube::Kind& kind,
                                      const kube::ListOptions& options) override;
  base::Result<kube::ObjectPtr> Create(const kube::Kind& kind, const std::string& ns,
                                       kube::Json object) override;
  base::Result<kube::ObjectPtr> Update(const kube::Kind& kind, kube::Json object,
                                       const std::string& subresource) override;
  base::Result<kube::ObjectPtr> Patch(const kube::Kind& kind, const std::string& ns,
                                      const std::string& name, kube::PatchType type,
                                      const kube::Json& patch,
                                      const std::string& subresource) override;
  base::Result<kube::ObjectPtr> Delete(const kube::Kind& kind, const std::string& ns,
                                       const std::string& name,
                                       const kube::DeleteOptions& options) override;
  base::Result<std::unique_ptr<kube::WatchHandle>> Watch(
      const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
      base::Executor& executor, std::function<void(const kube::WatchEvent&)> on_event) override;

 private:
  base::Result<> Alive();
  base::Result<kube::ObjectPtr> After(base::Result<kube::ObjectPtr> done);
  kube::Api& api_;
  Death& death_;
  Observer observer_;
};

// A server that agrees to what the API would take.
class AgreeingDryRun final : public agent::DryRun {
 public:
  base::Result<> Update(const kube::Kind&, const kube::Json&) override { return {}; }
  base::Result<> Delete(const kube::Kind&, const std::string&, const std::string&) override {
    return {};
  }
};

class MortalLedger final : public agent::Ledger {
 public:
  using Observer = std::function<void(const agent::Event&)>;
  MortalLedger(std::unique_ptr<agent::SqliteLedger> ledger, base::Random& random, Death& death,
               Observer observer)
      : ledger_(std::move(ledger)),
        random_(random),
        death_(death),
        observer_(std::move(observer)) {}
  void SetRefused(double odds) { refused_ = odds; }
  base::Result<std::uint64_t> Append(const agent::Event& event) override;
  base::Result<> Read(const std::string& incident, const Visitor& visit) const override {
    return ledger_->Read(incident, visit);
  }

 private:
  std::unique_ptr<agent::SqliteLedger> ledger_;
  base::Random& random_;
  Death& death_;
  Observer observer_;
  double refused_ = 0;
};

}  // namespace enclave::sim
