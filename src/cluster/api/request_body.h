// The body of a request in any of the encodings that clients use: JSON, YAML, and Kubernetes'
// protobuf (kubectl 1.32 and later send it with `create` and `auth`).
#pragma once

#include <string_view>

#include "base/result.h"
#include "kube/object.h"

namespace enclave::cluster {

// By Content-Type, as kube::DecodeBody; a protobuf body has its kind in its envelope
// (runtime.Unknown).
base::Result<kube::Json> DecodeRequestBody(std::string_view content_type, std::string_view body);

}  // namespace enclave::cluster
