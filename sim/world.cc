#include "sim/world.h"

#include <utility>

#include "base/check.h"
#include "kube/kind.h"
#include "sim/memory_api.h"

namespace enclave::sim {
namespace {

cluster::ControllerManager::Options ManagerOptions() {
  cluster::ControllerManager::Options options;
  options.root_ca_pem = "simulated";
  options.kubernetes_service.addresses = {"127.0.0.1"};
  // Small, so that bounds are reached within a run.
  options.event_expiry.max_per_namespace = 100;
  options.pod_garbage.max_terminated = 5;
  return options;
}

cluster::KubeletOptions NodeOptions(int boots) {
  cluster::KubeletOptions options;
  options.node_name = World::kNode;
  options.capacity = {.cpu_millis = 4000, .memory_bytes = std::int64_t{4} << 30, .pods = 40};
  options.machine_id = "simulated";
  options.boot_id = std::to_string(boots);
  return options;
}

cluster::AddressPool Addresses() {
  auto pool = cluster::AddressPool::Make("127.77.0.0/24");
  CHECK(pool.has_value(), "the simulated range of pod addresses is valid");
  return std::move(*pool);
}

}  // namespace

World::ControlPlane::ControlPlane(World& world)
    : informers(world.plane_api, world.executor, world.chance),
      manager(informers, ManagerOptions()),
      scheduler(informers) {}

World::Node::Node(World& world)
    : informers(world.node_api, world.executor, world.chance),
      addresses(Addresses()),
      kubelet(NodeOptions(world.boots_), {.informers = informers,
                                          .runtime = world.runtime,
                                          .prober = world.prober,
                                          .images = world.images,
                                          .volumes = world.volumes,
                                          .addresses = addresses}) {}

World::World(std::uint64_t seed)
    : chance(seed),
      api(NewApi(store, executor, chance)),
      plane_api(*api, chance),
      node_api(*api, chance),
      runtime(executor),
      prober(executor, runtime) {
  for (const char* image : {"good:1", "good:2", "good:3", "good:4", "crash:1", "slow:1"}) {
    images.Add(image);
  }
  runtime.SetBehaviour([](const cluster::ContainerSpec& spec) {
    cluster::SimulatedProgram program;
    const std::string name = spec.argv.empty() ? "" : spec.argv.front();
    if (name.find("crash") != std::string::npos) {
      program.run_for = std::chrono::seconds(3);
      program.exit_code = 1;
    }
    if (name.find("slow") != std::string::npos) {
      program.stop_takes = std::chrono::seconds(2);
      program.sigterm_exit_code = 0;
    }
    return program;
  });
  prober.SetBehaviour([this](const cluster::ContainerId& id, const cluster::Probe&) {
    if (failing_probes.contains(id.pod_uid)) {
      return base::Result<>(base::Fail(base::ErrorKind::kUnavailable, "refused"));
    }
    return base::Result<>();
  });
  plane_ = std::make_unique<ControlPlane>(*this);
  node_ = std::make_unique<Node>(*this);
}

World::~World() {
  node_.reset();
  plane_.reset();
}

void World::RestartControlPlane() {
  plane_.reset();
  plane_api.ForgetUnseen();
  plane_ = std::make_unique<ControlPlane>(*this);
}

void World::RestartKubelet() {
  node_.reset();
  node_api.ForgetUnseen();
  node_ = std::make_unique<Node>(*this);
}

void World::Reboot() {
  node_.reset();
  node_api.ForgetUnseen();
  runtime.Reboot();
  ++boots_;
  node_ = std::make_unique<Node>(*this);
}

void World::Heal() {
  SetFaults({});
  failing_probes.clear();
}

void World::SetFaults(const FaultyApi::Odds& odds) {
  plane_api.SetOdds(odds);
  node_api.SetOdds(odds);
}

void World::RunTasks(std::uint64_t tasks) {
  for (; tasks > 0 && executor.NextDue() <= executor.Now(); --tasks) executor.RunOne();
}

}  // namespace enclave::sim
