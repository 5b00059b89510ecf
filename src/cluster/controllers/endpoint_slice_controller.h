// Writes the EndpointSlices of each Service with a selector: at most 100 endpoints a slice, one set
// of ports a slice, endpoints left in the slice they are in (Kubernetes
// pkg/controller/endpointslice).
//
// Thread safety: lives on the informers' executor.
#pragma once

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class EndpointSliceController {
 public:
  explicit EndpointSliceController(kube::SharedInformers& informers);

 private:
  kube::Reconciler::Outcome Reconcile(const kube::ObjectName& key);

  kube::SharedInformers& informers_;
  kube::Informer& services_;
  kube::Informer& slices_;
  kube::Informer& pods_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
