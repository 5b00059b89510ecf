// The messages of the gRPC health checking protocol (grpc/grpc doc/health-checking.md,
// grpc.health.v1), by hand: two one-field messages do not need a protobuf library.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::cluster {

// A length-prefixed HealthCheckRequest{service}.
std::string EncodeHealthRequest(std::string_view service);

enum class HealthStatus { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };
// From a length-prefixed HealthCheckResponse, the whole body of the answer; unknown fields are
// passed over, statuses of a later version are kUnknown.
base::Result<HealthStatus> ParseHealthResponse(std::string_view body);
std::string_view ToString(HealthStatus status);

}  // namespace enclave::cluster
