// Samples what containers use, for `kubectl top` and for cAdvisor's metrics.
//
// Thread safety: Sample, Add and Remove from the executor's tasks; the const methods from any
// thread.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "cluster/kubelet/kubelet_context.h"
#include "cluster/kubelet/one_shot.h"
#include "kube/usage.h"

namespace enclave::cluster {

// A run of a container to sample, with what its metrics say of it.
struct SampledContainer {
  ContainerId id;
  std::string ns;
  std::string pod;
  std::string image;
  base::WallTime started_at{};
  std::int64_t memory_limit_bytes = 0;
  std::int64_t cpu_limit_millis = 0;
};

// What all runs of all containers of a pod have used so far.
struct PodCpuTime {
  std::string uid;
  std::string ns;
  std::string pod;
  std::chrono::nanoseconds cpu_time{};
};

class UsageSampler final : public kube::UsageSource {
 public:
  // `running`: the containers that run now. Asked every usage_period while there are some.
  UsageSampler(const KubeletContext& context,
               std::function<std::vector<SampledContainer>()> running);

  // A pod came: it is sampled soon, so that there are numbers before a whole period.
  void Hurry();
  // A pod changed: samples are taken again if they had ceased for want of containers.
  void Wake();
  void ForgetPod(const std::string& uid);
  // An OOM kill of this run. Counted by pod and container name until the pod is forgotten.
  void CountOomKill(const SampledContainer& container);

  std::vector<kube::PodUsage> Pods() const override;
  std::vector<kube::NodeUsage> Nodes() const override;
  std::string CadvisorText() const override;

 private:
  struct Sample {
    base::MonoTime at{};
    std::chrono::nanoseconds cpu_time{};
  };
  struct Entry {
    SampledContainer container;
    // The rate is taken over these: the newest and those up to kWindow before.
    std::deque<Sample> samples;
    base::WallTime last_seen{};
    std::int64_t memory_bytes = 0;
  };
  struct OomKills {
    SampledContainer container;  // the last one that was killed
    std::int64_t count = 0;
  };
  using Name = std::pair<std::string, std::string>;  // pod uid, container

  static constexpr base::Duration kWindow = std::chrono::seconds(15);

  void TakeSamples();
  void Arm(base::Duration delay);
  static std::int64_t NanocoresOf(const Entry& entry);

  const KubeletContext& context_;
  const std::function<std::vector<SampledContainer>()> running_;
  OneShot timer_;
  bool hurried_ = false;

  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::map<Name, Entry> entries_;
  std::map<Name, OomKills> oom_kills_;         // of pods that are there
  std::map<std::string, PodCpuTime> pod_cpu_;  // by uid; of pods that are there
  std::chrono::nanoseconds node_cpu_time_{};   // of all containers so far
  base::WallTime last_sample_{};
};

}  // namespace enclave::cluster
