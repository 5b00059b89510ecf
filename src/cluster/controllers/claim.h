// Which objects belong to a controller: those that it controls by ownerReference and that still
// match its selector, and orphans that match and are adopted (Kubernetes' ControllerRefManager).
#pragma once

#include <vector>

#include "base/result.h"
#include "kube/informer.h"
#include "kube/kind.h"
#include "kube/selector.h"

namespace enclave::cluster {

// The dependents of `owner` after adopting matching orphans and releasing what no longer matches.
// An owner that is being deleted neither adopts nor releases. Before the first adoption the owner
// is read live, so that a stale cache never gives an orphan to an owner that is gone. An object
// that changed meanwhile is kConflict: the reconcile is to be repeated.
base::Result<std::vector<kube::ObjectPtr>> ClaimDependents(
    kube::SharedInformers& informers, const kube::Kind& owner_kind, const kube::Object& owner,
    const kube::LabelSelector& selector, const kube::Kind& kind, kube::Informer& dependents);

}  // namespace enclave::cluster
