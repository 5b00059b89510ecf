// What this API serves, as clients ask for it: the legacy documents, one for each group and
// version, and the aggregated one (apidiscovery.k8s.io/v2 and v2beta1), all from the Registry.
#pragma once

#include <string>
#include <string_view>

#include "cluster/api/registry.h"
#include "kube/object.h"

namespace enclave::cluster {

// /api: APIVersions. `server` is host:port as the client sees it.
kube::Json CoreVersions(const std::string& server);
// /apis: APIGroupList; /apis/GROUP: APIGroup, null when there is no such group.
kube::Json GroupList(const Registry& registry);
kube::Json GroupDocument(const Registry& registry, std::string_view group);
// /api/v1, /apis/GROUP/VERSION: APIResourceList, null when there is none.
kube::Json ResourceList(const Registry& registry, std::string_view group, std::string_view version);
// /api (core) or /apis (all others) with as=APIGroupDiscoveryList; `version` is "v2" or "v2beta1".
kube::Json AggregatedDiscovery(const Registry& registry, bool core, std::string_view version);

}  // namespace enclave::cluster
