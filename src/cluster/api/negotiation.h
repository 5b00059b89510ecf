// Which representation a client asks for in its Accept header (Kubernetes API concepts, "Alternate
// representations of resources").
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::cluster {

enum class Representation {
  kObject,               // the resource itself
  kTable,                // as=Table
  kPartialMetadata,      // as=PartialObjectMetadata
  kPartialMetadataList,  // as=PartialObjectMetadataList
  kAggregatedDiscovery,  // as=APIGroupDiscoveryList
};

struct Negotiated {
  Representation representation = Representation::kObject;
  std::string version;  // the `v` parameter: "v1", "v1beta1", "v2", "v2beta1"
  std::string content_type = "application/json";  // of the answer
};

// The first of the client's types, in its order of quality, that this server can write; no header
// and
// "*/*" are JSON. kNotAcceptable when none can be.
base::Result<Negotiated> Negotiate(std::string_view accept);

}  // namespace enclave::cluster
