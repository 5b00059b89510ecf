// One simulated cluster on virtual time: the real store core, API machinery, controllers, scheduler
// and kubelet, over simulated containers, probes and images. Control plane and kubelet reach the
// API each through a FaultyApi of its own; users reach it directly.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/random.h"
#include "base/simulated_executor.h"
#include "cluster/controllers/controller_manager.h"
#include "cluster/kubelet/address_pool.h"
#include "cluster/kubelet/kubelet.h"
#include "cluster/kubelet/simulated_runtime.h"
#include "cluster/kubelet/simulated_volume_store.h"
#include "cluster/scheduler/scheduler.h"
#include "cluster/store/memory_store.h"
#include "kube/informer.h"
#include "sim/faulty_api.h"

namespace enclave::sim {

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The process of the controllers dies and comes back with nothing but the API.
  void RestartControlPlane();
  // The kubelet dies and comes back; containers run on.
  void RestartKubelet();
  // The machine goes down and up: containers are gone.
  void Reboot();

  // All faults off, everything answers and works again.
  void Heal();
  void SetFaults(const FaultyApi::Odds& odds);

  // Runs what is due now, at most `tasks` tasks.
  void RunTasks(std::uint64_t tasks);

  // Pods whose probes fail at present, by uid.
  std::set<std::string> failing_probes;

  base::SimulatedExecutor executor;
  base::SeededRandom chance;  // of the machinery: uids, names, jitter, faults
  cluster::MemoryStore store;
  std::unique_ptr<kube::Api> api;
  FaultyApi plane_api;
  FaultyApi node_api;
  cluster::SimulatedRuntime runtime;
  cluster::SimulatedProber prober;
  cluster::SimulatedImages images;
  cluster::SimulatedVolumeStore volumes;

  kube::SharedInformers& plane_informers() { return plane_->informers; }
  cluster::Kubelet& kubelet() { return node_->kubelet; }

  static constexpr const char* kNode = "node-1";

 private:
  struct ControlPlane {
    explicit ControlPlane(World& world);
    kube::SharedInformers informers;
    cluster::ControllerManager manager;
    cluster::Scheduler scheduler;
  };
  struct Node {
    explicit Node(World& world);
    kube::SharedInformers informers;
    cluster::AddressPool addresses;
    cluster::Kubelet kubelet;
  };

  std::unique_ptr<ControlPlane> plane_;
  std::unique_ptr<Node> node_;
  int boots_ = 0;
};

}  // namespace enclave::sim
