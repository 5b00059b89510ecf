// What users and bad luck do to the cluster: one random step at a time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/world.h"

namespace enclave::sim {

class User {
 public:
  // `random` decides on the steps only, so that the steps of a seed stay the same when the
  // machinery draws more or less.
  User(World& world, base::Random& random);

  // Makes what every run begins with: the namespaces.
  void Begin();
  // One step; what was done, for the trace. An answer of the API that no user should ever get
  // (an internal error) is in `complaint`.
  std::string Step();
  const std::string& complaint() const { return complaint_; }

  // Repairs what only a user can: images that do not exist or crash, paused rollouts, stray pods.
  void Repair();
  // Rolls a Deployment that is at rest to another good image; its uid, or "" when there is none
  // fit.
  std::string RollOutCalmly();
  void DeleteEverything();

 private:
  using Json = kube::Json;
  struct Move {
    unsigned weight;
    std::function<std::string()> make;
  };

  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  bool Chance(unsigned percent) { return Below(100) < percent; }
  template <typename T>
  const T& Pick(const std::vector<T>& items) {
    return items[Below(items.size())];
  }
  std::string Namespace() { return Chance(70) ? "a" : "b"; }
  // A random object of the kind; null when there is none.
  kube::ObjectPtr Any(const kube::Kind& kind);
  std::string Edit(const kube::Kind& kind, const std::string& what,
                   const std::function<void(Json&)>& edit);
  std::string Tell(const std::string& what, const base::Result<kube::ObjectPtr>& result);
  std::string Image();
  Json RandomStrategy();

  std::string CreateDeployment();
  std::string CreateService();
  std::string CreateStray();
  std::string DeleteAny(const kube::Kind& kind);
  std::string DeletePod();
  std::string Undo();
  std::string CrashContainer();
  std::string FlapProbe();
  std::string DeleteNamespace();
  std::string Relabel();
  std::string Faults();
  std::string Cordon();

  World& world_;
  base::Random& random_;
  std::vector<Move> moves_;
  unsigned total_weight_ = 0;
  int edits_ = 0;
  std::string complaint_;
};

}  // namespace enclave::sim
