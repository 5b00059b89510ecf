// The OpenAPI v3 documents: what can be done to each kind, with which parameters, and the fields of
// those that have a schema. From them kubectl knows that it may leave the validation of fields to
// the server (fieldValidation) and try writes (dryRun), and what to explain.
//
// No request body of a PATCH is described: kubectl would compute strategic merge patches from the
// schema here, which does not say by which keys lists are merged, and not by its own types.
#pragma once

#include <string_view>

#include "cluster/api/registry.h"

namespace enclave::cluster {

// /openapi/v3: where the document of each group version is.
kube::Json OpenApiIndex(const Registry& registry);
// /openapi/v3/apis/GROUP/VERSION, /openapi/v3/api/v1; null when not served.
kube::Json OpenApiDocument(const Registry& registry, std::string_view group,
                           std::string_view version, std::string_view server_version);

}  // namespace enclave::cluster
