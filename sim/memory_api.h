// The cluster's real API machinery over a store, as its port: what controllers, scheduler, kubelet
// and users talk to in tests and in the simulator.
#pragma once

#include <memory>

#include "base/executor.h"
#include "base/random.h"
#include "cluster/store/store.h"
#include "kube/api.h"

namespace enclave::sim {

// Everything handed in outlives what is returned.
std::unique_ptr<kube::Api> NewApi(cluster::Store& store, base::Executor& executor,
                                  base::Random& random);
// An API over an empty MemoryStore of its own.
std::unique_ptr<kube::Api> NewMemoryApi(base::Executor& executor, base::Random& random);

}  // namespace enclave::sim
