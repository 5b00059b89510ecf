#include "otel/grpc_status.h"

#include <array>
#include <string>

namespace enclave::otel {
namespace {

using base::ErrorKind;

struct CodeRow {
  grpc::StatusCode code;
  std::string_view name;
  ErrorKind kind;
};

// In the order of the codes, from 0.
constexpr std::array<CodeRow, 17> kCodes = {{
    {grpc::OK, "OK", ErrorKind::kInternal},
    {grpc::CANCELLED, "CANCELLED", ErrorKind::kCancelled},
    {grpc::UNKNOWN, "UNKNOWN", ErrorKind::kInternal},
    {grpc::INVALID_ARGUMENT, "INVALID_ARGUMENT", ErrorKind::kInvalidArgument},
    {grpc::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", ErrorKind::kDeadlineExceeded},
    {grpc::NOT_FOUND, "NOT_FOUND", ErrorKind::kNotFound},
    {grpc::ALREADY_EXISTS, "ALREADY_EXISTS", ErrorKind::kAlreadyExists},
    {grpc::PERMISSION_DENIED, "PERMISSION_DENIED", ErrorKind::kPermissionDenied},
    {grpc::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", ErrorKind::kResourceExhausted},
    {grpc::FAILED_PRECONDITION, "FAILED_PRECONDITION", ErrorKind::kUnprocessable},
    {grpc::ABORTED, "ABORTED", ErrorKind::kConflict},
    {grpc::OUT_OF_RANGE, "OUT_OF_RANGE", ErrorKind::kUnprocessable},
    {grpc::UNIMPLEMENTED, "UNIMPLEMENTED", ErrorKind::kMethodNotAllowed},
    {grpc::INTERNAL, "INTERNAL", ErrorKind::kInternal},
    {grpc::UNAVAILABLE, "UNAVAILABLE", ErrorKind::kUnavailable},
    {grpc::DATA_LOSS, "DATA_LOSS", ErrorKind::kInternal},
    {grpc::UNAUTHENTICATED, "UNAUTHENTICATED", ErrorKind::kUnauthenticated},
}};

const CodeRow& RowOf(grpc::StatusCode code) {
  const auto index = static_cast<std::size_t>(code);
  return kCodes[index < kCodes.size() ? index : static_cast<std::size_t>(grpc::UNKNOWN)];
}

grpc::StatusCode CodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kNotAcceptable:
    case ErrorKind::kTooLarge:
    case ErrorKind::kUnsupportedMedia:
      return grpc::INVALID_ARGUMENT;
    case ErrorKind::kUnprocessable:
      return grpc::FAILED_PRECONDITION;
    case ErrorKind::kUnauthenticated:
      return grpc::UNAUTHENTICATED;
    case ErrorKind::kPermissionDenied:
      return grpc::PERMISSION_DENIED;
    case ErrorKind::kNotFound:
      return grpc::NOT_FOUND;
    case ErrorKind::kMethodNotAllowed:
      return grpc::UNIMPLEMENTED;
    case ErrorKind::kAlreadyExists:
      return grpc::ALREADY_EXISTS;
    case ErrorKind::kConflict:
      return grpc::ABORTED;
    case ErrorKind::kExpired:
      return grpc::OUT_OF_RANGE;
    case ErrorKind::kResourceExhausted:
      return grpc::RESOURCE_EXHAUSTED;
    case ErrorKind::kUnavailable:
      return grpc::UNAVAILABLE;
    case ErrorKind::kDeadlineExceeded:
      return grpc::DEADLINE_EXCEEDED;
    case ErrorKind::kCancelled:
      return grpc::CANCELLED;
    case ErrorKind::kInternal:
      return grpc::INTERNAL;
  }
  return grpc::UNKNOWN;
}

}  // namespace

base::Error ToError(const grpc::Status& status) {
  return {RowOf(status.error_code()).kind, status.error_message()};
}

grpc::Status ToStatus(const base::Error& error) {
  return {CodeOf(error.kind()), error.message()};
}

std::string_view CodeName(grpc::StatusCode code) {
  return RowOf(code).name;
}

}  // namespace enclave::otel
