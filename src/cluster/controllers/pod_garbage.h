// Removes pods nobody else would: those bound to a node that no longer exists, deleted pods that
// were never bound, and the oldest ended pods beyond a bound (Kubernetes pkg/controller/podgc).
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <map>
#include <string>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class PodGarbage {
 public:
  struct Options {
    std::size_t max_terminated = 500;
    // How long a node must be absent before its pods are given up.
    base::Duration quarantine = std::chrono::seconds(40);
  };
  PodGarbage(kube::SharedInformers& informers, Options options);

 private:
  kube::Reconciler::Outcome Reconcile();
  base::Result<> Force(const kube::Object& pod);

  kube::SharedInformers& informers_;
  const Options options_;
  kube::Informer& pods_;
  kube::Informer& nodes_;
  std::map<std::string, base::MonoTime> absent_since_;  // by node name
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
