// The shop, its users' alerts, its people, and the agent with everything that can go wrong on its
// way; all on virtual time, from one seed.
#pragma once

#include <memory>
#include <string>

#include "agent/agent.h"
#include "base/random.h"
#include "base/simulated_executor.h"
#include "kube/fake_api.h"
#include "kube/informer.h"
#include "sim/faulty_api.h"
#include "sim/healing/judge.h"
#include "sim/healing/mortal.h"
#include "sim/healing/shop.h"

namespace enclave::sim {

// The simulated executor with a wall clock that somebody sets now and then.
class SetClock final : public base::Executor {
 public:
  explicit SetClock(base::SimulatedExecutor& time) : time_(time) {}
  void Set(base::Duration offset) { offset_ = offset; }
  base::WallTime WallNow() const override { return time_.WallNow() + offset_; }
  base::MonoTime Now() const override { return time_.Now(); }
  void Post(Task task) override { time_.Post(std::move(task)); }
  TimerId After(base::Duration delay, Task task) override {
    return time_.After(delay, std::move(task));
  }
  void Cancel(TimerId id) override { time_.Cancel(id); }

 private:
  base::SimulatedExecutor& time_;
  base::Duration offset_{};
};

// Ranks the truth first most of the time, late, sometimes not at all.
class FakeDiagnoser final : public agent::Diagnoser {
 public:
  FakeDiagnoser(const Shop& shop, base::Executor& executor, base::Random& random)
      : shop_(shop), executor_(executor), random_(random) {}
  void SetTrouble(double trouble) { trouble_ = trouble; }
  void Freeze(const agent::EvidenceQuestion& question,
              std::function<void(base::Result<incident::Context>)> done) override;
  void Diagnose(const incident::Context& context,
                std::function<void(base::Result<rca::Diagnosis>)> done) override;

 private:
  template <typename T>
  void Answer(std::function<void(base::Result<T>)> done, T value);
  const Shop& shop_;
  base::Executor& executor_;
  base::Random& random_;
  double trouble_ = 0;
};

class FakeObjectives final : public agent::Objectives {
 public:
  FakeObjectives(const Shop& shop, base::Random& random) : shop_(shop), random_(random) {}
  void SetBlind(double odds) { blind_ = odds; }
  base::Result<std::vector<agent::Objective>> State(base::WallTime now) override;
  base::Result<agent::Impact> Felt(std::int64_t from_ns, std::int64_t to_ns) override;

 private:
  const Shop& shop_;
  base::Random& random_;
  double blind_ = 0;
};

class World {
 public:
  // `directory` is for the ledger; it exists, and is the world's alone.
  World(std::uint64_t seed, std::string directory);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs on, with alerts and people, for so long.
  void RunFor(base::Duration span);
  void Break();       // a fault, or two
  void FalseAlarm();  // an alert without a fault
  void SetTrouble(bool on);
  bool Quiet() const;  // all is well, no alert fires and no incident is open

  Shop& shop() { return shop_; }
  Judge& judge() { return judge_; }
  Death& death() { return death_; }
  base::SeededRandom& chance() { return chance_; }
  base::SimulatedExecutor& time() { return time_; }

 private:
  struct Process;
  struct Alarm {
    agent::AlertEvent event;
    bool real = true;  // fires while the objective is missed
    base::MonoTime since{};
    base::MonoTime until{};  // of a false one
    base::MonoTime told{};
  };

  void Turn();  // every half second: controllers, alerts, people, life and death
  void TurnAlarms();
  void TurnPeople();
  void Tell(const agent::AlertEvent& alert);
  void Start();
  static agent::Policy MakePolicy();

  base::SimulatedExecutor time_;
  base::SeededRandom chance_;
  SetClock clock_;
  const std::string directory_;
  const agent::Policy policy_;
  kube::FakeApi api_;
  Shop shop_;
  Judge judge_;
  Death death_;
  MortalApi mortal_;
  FaultyApi line_;  // what the agent has
  AgreeingDryRun dry_run_;
  FakeDiagnoser diagnoser_;
  FakeObjectives objectives_;
  std::map<std::string, Alarm> alarms_;
  std::map<std::string, base::MonoTime> escalated_at_;
  base::MonoTime reborn_at_{};
  bool trouble_ = false;
  std::unique_ptr<Process> process_;
};

}  // namespace enclave::sim
