// Keeps the Service `kubernetes` in the namespace `default`, through which pods reach the API, and
// its Endpoints and EndpointSlice.
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class KubernetesService {
 public:
  struct Options {
    std::string cluster_ip;              // "": the API allocates one
    std::vector<std::string> addresses;  // of the API server; empty: no Service is kept
    std::uint16_t port = 443;            // of the Service
    std::uint16_t target_port = 6443;    // of the API server
  };
  KubernetesService(kube::SharedInformers& informers, Options options);

 private:
  kube::Reconciler::Outcome Reconcile();
  base::Result<> Keep(const kube::Kind& kind, kube::Informer& informer, kube::Json wanted,
                      const std::vector<std::string>& fields);

  kube::SharedInformers& informers_;
  const Options options_;
  kube::Informer& namespaces_;
  kube::Informer& services_;
  kube::Informer& endpoints_;
  kube::Informer& slices_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
