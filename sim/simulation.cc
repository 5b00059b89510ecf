#include "sim/simulation.h"

#include <deque>

#include <fmt/format.h>

#include "sim/observer.h"
#include "sim/settled.h"
#include "sim/user.h"
#include "sim/world.h"

namespace enclave::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kTraceLength = 60;
// Longer than the longest back-off (5 min) after which a crashed container is tried again, twice.
constexpr base::Duration kLongestRest = minutes(15);

class Run {
 public:
  Run(std::uint64_t seed, std::uint64_t steps)
      : steps_(steps),
        random_(seed ^ 0x9e3779b97f4a7c15ULL),
        world_(seed),
        observer_(world_.store, *world_.api, world_.executor,
                  cluster::ControllerManager::Options().kinds,
                  {.less = [this] { return world_.plane_api.AnyUnseen(); },
                   .holds = [this](const std::string& ns,
                                   const std::string& uid) { return PlaneHolds(ns, uid); }}),
        user_(world_, random_) {
    report_.seed = seed;
  }

  Report Go() {
    world_.executor.RunFor(seconds(2));
    user_.Begin();
    world_.executor.RunFor(seconds(2));
    for (; report_.steps < steps_ && !observer_.failure(); ++report_.steps) Step();
    if (!observer_.failure()) End();
    report_.changes = observer_.changes();
    report_.containers = static_cast<std::uint64_t>(world_.runtime.started());
    report_.virtual_time = world_.executor.Now().time_since_epoch();
    report_.digest = observer_.digest();
    report_.failure = observer_.failure();
    if (report_.failure) report_.last_steps.assign(trace_.begin(), trace_.end());
    return report_;
  }

 private:
  bool PlaneHolds(const std::string& ns, const std::string& uid) {
    for (const kube::ObjectPtr& set : world_.plane_informers().For(kube::kReplicaSet).List(ns))
      if (set->uid() == uid) return true;
    return false;
  }

  void Trace(const std::string& line) {
    const auto at = world_.executor.Now().time_since_epoch();
    trace_.push_back(fmt::format("step {} at {} ms: {}", report_.steps,
                                 std::chrono::duration_cast<milliseconds>(at).count(), line));
    if (trace_.size() > kTraceLength) trace_.pop_front();
  }

  void Step() {
    const std::uint64_t draw = random_.Below(1000);
    if (draw < 5) {
      Rest();
      return;
    }
    if (draw < 8) {
      CalmRollout();
      return;
    }
    const std::string done = user_.Step();
    if (!done.empty()) Trace(done);
    if (!user_.complaint().empty()) observer_.Fail("a user was told: " + user_.complaint());
    Advance();
    CheckContainers();
  }

  // Often the next step falls into the middle of what the last one set in motion.
  void Advance() {
    const std::uint64_t draw = random_.Below(100);
    if (draw < 25) {
      world_.RunTasks(random_.Below(30));
    } else if (draw < 50) {
      world_.executor.RunFor(milliseconds(0));
    } else if (draw < 85) {
      world_.executor.RunFor(milliseconds(random_.Below(300)));
    } else if (draw < 98) {
      world_.executor.RunFor(milliseconds(random_.Below(5000)));
    } else {
      world_.executor.RunFor(seconds(random_.Below(60)));
    }
  }

  void CheckContainers() {
    std::set<std::pair<std::string, std::string>> running;
    for (const cluster::ContainerId& id : world_.runtime.Running()) {
      if (!running.emplace(id.pod_uid, id.container).second) {
        observer_.Fail("container " + id.container + " of pod " + id.pod_uid + " runs twice");
      }
    }
  }

  // Faults off, users repair what only they can: now observed must become desired.
  void Rest() {
    Trace("rest");
    world_.Heal();
    const base::MonoTime end = world_.executor.Now() + kLongestRest;
    std::optional<std::string> why = "nothing was tried";
    base::Duration slice = seconds(1);
    while (why && world_.executor.Now() < end && !observer_.failure()) {
      // A namespace that was ending may be gone by now; users make it again.
      user_.Repair();
      world_.executor.RunFor(slice);
      slice = std::min<base::Duration>(slice * 2, seconds(20));
      why = WhyNotSettled(world_);
    }
    if (why) {
      observer_.Fail("the cluster does not come to rest: " + *why);
      return;
    }
    if (const auto differ = WhyCachesDiffer(world_)) observer_.Fail(*differ);
    observer_.CheckWatchersAreComplete();
    ++report_.rests;
    Trace("at rest");
  }

  void CalmRollout() {
    Rest();
    if (observer_.failure()) return;
    const std::string uid = user_.RollOutCalmly();
    if (uid.empty()) return;
    Trace("calm rollout of deployment " + uid);
    observer_.Calm({uid});
    world_.executor.RunFor(seconds(1));
    for (int i = 0; i < 100 && WhyNotSettled(world_) && !observer_.failure(); ++i) {
      world_.executor.RunFor(seconds(1));
    }
    observer_.Calm({});
    if (const auto why = WhyNotSettled(world_); why && !observer_.failure()) {
      observer_.Fail("a calm rollout does not end: " + *why);
    }
    ++report_.rollouts;
  }

  void End() {
    Rest();
    Trace("everything is deleted");
    user_.DeleteEverything();
    std::optional<std::string> left = "nothing was tried";
    for (int i = 0; i < 600 && left && !observer_.failure(); ++i) {
      world_.executor.RunFor(seconds(1));
      left = WhatIsLeft(world_);
    }
    if (left) observer_.Fail("after everything was deleted: " + *left);
    observer_.CheckWatchersAreComplete();
  }

  const std::uint64_t steps_;
  base::SeededRandom random_;
  World world_;
  Observer observer_;
  User user_;
  std::deque<std::string> trace_;
  Report report_;
};

}  // namespace

Report RunSimulation(std::uint64_t seed, std::uint64_t steps) {
  return Run(seed, steps).Go();
}

}  // namespace enclave::sim
