// From a request's body to an object of the kind that the path names.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cluster/api/resource.h"

namespace enclave::cluster {

// Checks apiVersion, kind, and that namespace and name (when not "") are those of the request,
// filling in what is absent; brings the object into the one form of its schema (schema.h). The
// value names unknown fields, which are removed.
base::Result<std::vector<std::string>> Decode(const Resource& resource, const std::string& ns,
                                              const std::string& name, kube::Json& object);

// What fieldValidation=Strict answers.
base::Error StrictError(const Resource& resource, const std::vector<std::string>& unknown);

}  // namespace enclave::cluster
