// cAdvisor's metrics in Prometheus' text format 0.0.4, under their usual names.
#pragma once

#include <chrono>
#include <string>
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
  std::string Render() const;

 private:
  NodeCapacity capacity_;
  std::vector<CadvisorSample> samples_;
};

}  // namespace enclave::cluster
