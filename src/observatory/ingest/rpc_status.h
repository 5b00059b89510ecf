// google.rpc.Status, which is what OTLP answers errors with, over HTTP in the body and over gRPC in
// the trailer grpc-status-details-bin.
//
// Values; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"

namespace enclave::observatory::ingest {

struct RpcStatus {
  int code = 0;  // google.rpc.Code, the numbers of gRPC
  std::string message{};
  std::optional<std::chrono::seconds> retry_after{};  // google.rpc.RetryInfo among the details
};

// Errors that pass when the same is sent again later carry `retry_after`.
RpcStatus ToRpcStatus(const base::Error& error, std::chrono::seconds retry_after);
int HttpStatus(base::ErrorKind kind);

std::string ToProtobuf(const RpcStatus& status);
std::string ToJson(const RpcStatus& status);

}  // namespace enclave::observatory::ingest
