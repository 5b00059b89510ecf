// Forwards TCP connections to a Service's address to its ready endpoints.
//
// A port is listened on only while the Service has endpoints: otherwise connections are refused, as
// in Kubernetes. An endpoint is chosen by fewest open connections, in turn among equals (with
// sessionAffinity ClientIP: by the client's address); one that refuses is passed over for the next.
// Endpoints that go away keep their open connections. The endpoint sees the client's own address as
// the source. A port that cannot be listened on is retried and told by a Warning event on the
// Service.
//
// Thread safety: lives on the informers' executor and is called from its tasks only; connections
// run on the data loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kube/informer.h"
#include "net/event_loop.h"

namespace enclave::cluster {

struct ServiceProxyOptions {
  // Node ports and load balancers are listened on there; empty: not at all.
  std::string node_address;
  std::size_t max_connections = 16'384;
};

class ServiceProxy {
 public:
  // `data_loop` outlives the proxy.
  ServiceProxy(kube::SharedInformers& informers, net::EventLoop& data_loop,
               ServiceProxyOptions options = {});
  // Stops listening and closes the connections.
  ~ServiceProxy();

  std::size_t connections() const;  // open now; from any thread

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace enclave::cluster
