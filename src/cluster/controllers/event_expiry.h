// Removes Events an hour after they last happened, and the oldest of a namespace that has too many.
//
// Thread safety: lives on the informers' executor.
#pragma once

#include <string>

#include "kube/informer.h"
#include "kube/reconciler.h"

namespace enclave::cluster {

class EventExpiry {
 public:
  struct Options {
    base::Duration time_to_live = std::chrono::hours(1);
    std::size_t max_per_namespace = 2000;
  };
  EventExpiry(kube::SharedInformers& informers, Options options);

 private:
  kube::Reconciler::Outcome Reconcile(const std::string& ns);

  kube::SharedInformers& informers_;
  const Options options_;
  kube::Informer& events_;
  kube::Reconciler reconciler_;
};

}  // namespace enclave::cluster
