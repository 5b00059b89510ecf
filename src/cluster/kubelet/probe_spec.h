// A container's probes and hook actions as its manifest writes them, made into what a Prober runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "cluster/kubelet/runtime.h"
#include "kube/object.h"

namespace enclave::cluster {

struct ProbeSpec {
  Probe probe;
  std::string fault;  // not empty: it cannot be run, each try fails with this
  base::Duration initial_delay{};
  base::Duration period = std::chrono::seconds(10);
  std::int64_t success_threshold = 1;
  std::int64_t failure_threshold = 3;
  std::optional<std::int64_t> termination_grace_seconds;  // of the kill that a failure causes
};

// `action` holds exec, httpGet, tcpSocket or grpc. Ports may be names of `container`'s ports.
// kInvalidArgument says what cannot be run.
base::Result<Probe> ParseProbeAction(const kube::Json& action, const kube::Json& container,
                                     const std::string& pod_ip);
ProbeSpec ParseProbe(const kube::Json& probe, const kube::Json& container,
                     const std::string& pod_ip);

}  // namespace enclave::cluster
