// Puts a namespace back to what its manifests say: its desired state.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "lab/drills/drill.h"

namespace enclave::lab::drills {

// Deployments, Services and ConfigMaps of `ns` among the manifests. Writes only what differs, so
// that a second call writes nothing; pods that cannot start are made anew, since Kubernetes would
// make them wait. Returns what was written, as "Deployment/cartservice".
base::Result<std::vector<std::string>> Restore(kube::Api& cluster,
                                               const std::vector<Json>& manifests,
                                               const std::string& ns);

// Whether an object has all that a manifest says; texts of quantities that are equal are equal
// ("1" and "1000m"), and lists have the same entries, no more.
bool Covers(const Json& object, const Json& manifest);

}  // namespace enclave::lab::drills
