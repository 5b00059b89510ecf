// Questions as resources: may I, may she, what may I, who am I, whose token is this
// (authorization.k8s.io/v1, authentication.k8s.io/v1). Created, answered, never stored.
#pragma once

#include "cluster/api/authenticator.h"
#include "cluster/api/authorizer.h"
#include "cluster/api/registry.h"

namespace enclave::cluster {

// Both outlive the registry's use.
void AddReviewResources(Registry& registry, const Authorizer& authorizer,
                        const Authenticator& authenticator);

}  // namespace enclave::cluster
