// The node ports of Services of the types NodePort and LoadBalancer: each port of such a Service
// has its own number out of a range, the same one after it is deleted and made again while nobody
// else took it.
//
// Thread safety: none; ServiceAddresses guards it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::cluster {

// Whether the ports of the Service have node ports.
bool NeedsNodePorts(const kube::Json& service);

class NodePorts {
 public:
  static constexpr std::int64_t kFirst = 30000;
  static constexpr std::int64_t kLast = 32767;

  // As of Claims (resource.h), of the ports in spec.ports. What a refused Claim took is free again.
  base::Result<> Claim(kube::Json& fresh);
  void Abandon(const kube::Json& fresh);
  void Changed(const kube::Json* before, const kube::Json* after);

 private:
  struct Holder {
    std::string service;  // "NS/NAME"
    bool committed = false;
  };
  base::Result<> Allocate(kube::Json& fresh, const std::string& service);

  std::map<std::int64_t, Holder> taken_;
};

}  // namespace enclave::cluster
