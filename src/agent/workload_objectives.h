// Beside the promises to users, one promise for each Deployment that the agent may touch: its pods
// are there. So an alert about pods that end again and again is measured by the pods themselves,
// also while users do not feel it yet.
//
// Missed: a container waits and cannot start (CrashLoopBackOff, ImagePullBackOff, ...), or fewer
// pods than desired have been available for `kPatience`, which a healthy rollout never needs.
//
// Threading: the informers' executor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/ports.h"
#include "kube/informer.h"

namespace enclave::agent {

class WorkloadObjectives final : public Objectives {
 public:
  static constexpr base::Duration kPatience = std::chrono::seconds(20);

  // All outlive this.
  WorkloadObjectives(Objectives& users, kube::SharedInformers& informers,
                     std::vector<std::string> namespaces);
  base::Result<std::vector<Objective>> State(base::WallTime now) override;
  base::Result<Impact> Felt(std::int64_t from_ns, std::int64_t to_ns) override {
    return users_.Felt(from_ns, to_ns);
  }

 private:
  Objective StateOf(const kube::Object& deployment, const std::vector<kube::ObjectPtr>& pods);

  Objectives& users_;
  kube::SharedInformers& informers_;
  const std::vector<std::string> namespaces_;
  std::map<std::string, base::MonoTime> short_since_;  // by name of the objective
};

}  // namespace enclave::agent
