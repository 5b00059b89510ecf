// gRPC's status codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html) and our errors.
//
// Pure functions; any thread.
#pragma once

#include <string_view>

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace enclave::otel {

// An answer's status as an Error; `status` is not OK.
base::Error ToError(const grpc::Status& status);
// What a server answers for an error.
grpc::Status ToStatus(const base::Error& error);
// "UNAVAILABLE"
std::string_view CodeName(grpc::StatusCode code);

}  // namespace enclave::otel
