// The port to what pods and nodes use at present: the kubelet samples it, the API serves it as
// metrics.k8s.io (`kubectl top`) and as cAdvisor's metrics.
//
// Thread safety: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/executor.h"

namespace enclave::kube {

struct ContainerUsage {
  std::string name;
  std::int64_t cpu_nanocores = 0;  // over the window
  std::int64_t memory_bytes = 0;   // working set at its end
};

struct PodUsage {
  std::string ns;
  std::string name;
  base::WallTime timestamp{};  // the window's end
  base::Duration window{};
  std::vector<ContainerUsage> containers;
};

struct NodeUsage {
  std::string name;
  base::WallTime timestamp{};
  base::Duration window{};
  std::int64_t cpu_nanocores = 0;
  std::int64_t memory_bytes = 0;
};

class UsageSource {
 public:
  virtual ~UsageSource() = default;
  // Only pods that were sampled at least twice; ordered by namespace and name.
  virtual std::vector<PodUsage> Pods() const = 0;
  virtual std::vector<NodeUsage> Nodes() const = 0;
  // Prometheus text (version 0.0.4): container_* and machine_*.
  virtual std::string CadvisorText() const = 0;
};

}  // namespace enclave::kube
