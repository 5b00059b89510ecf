// Probes over the network, and exec probes through the container runtime. The messages of failures
// are the kubelet's own (kubernetes pkg/probe), because people and tools know them.
//
// HTTP: 200 to 399 is success; redirects are followed on the same host only, one to another host is
// success as in Kubernetes; the body is read up to 10 KiB and not looked at. gRPC: grpc.health.v1
// over plain HTTP/2.
//
// Thread safety: Run may be called from any thread; callbacks run as tasks of the loop, each
// exactly once, at the latest when the probe's timeout is over.
#pragma once

#include "cluster/kubelet/runtime.h"
#include "net/event_loop.h"

namespace enclave::cluster {

class NetworkProber final : public Prober {
 public:
  // Both outlive the prober and its running probes.
  NetworkProber(net::EventLoop& loop, ContainerRuntime& runtime) : loop_(loop), runtime_(runtime) {}

  void Run(const ContainerId& id, const Probe& probe,
           std::function<void(base::Result<>)> done) override;

 private:
  net::EventLoop& loop_;
  ContainerRuntime& runtime_;
};

}  // namespace enclave::cluster
