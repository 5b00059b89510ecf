// cAdvisor's metrics in Prometheus' text format 0.0.4, under their usual names.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "cluster/kubelet/usage_sampler.h"

namespace enclave::cluster {

struct CadvisorSample {
  SampledContainer container;
  std::chrono::nanoseconds cpu_time{};
  std::int64_t memory_bytes = 0;
  std::int64_t oom_kills = 0;
  base::WallTime last_seen{};
};

class CadvisorPage {
 public:
  explicit CadvisorPage(NodeCapacity capacity) : capacity_(capacity) {}
  void Add(CadvisorSample sample) { samples_.push_back(std::move(sample)); }
  // A container that does not run now: only its out-of-memory kills are told.
  void AddKilled(const SampledContainer& container, std::int64_t oom_kills);
  void AddPod(const PodCpuTime& pod, std::int64_t memory_bytes);
  // The sum of all containers, which cAdvisor calls "/".
  void SetNode(std::chrono::nanoseconds cpu_time, std::int64_t memory_bytes);
  std::string Render() const;

 private:
  // A sum over containers: it has a place among the groups, but no container's name.
  struct Group {
    std::string labels;
    std::chrono::nanoseconds cpu_time{};
    std::int64_t memory_bytes = 0;
  };

  NodeCapacity capacity_;
  std::vector<CadvisorSample> samples_;
  std::vector<std::pair<SampledContainer, std::int64_t>> killed_;
  std::vector<Group> groups_;
};

}  // namespace enclave::cluster
