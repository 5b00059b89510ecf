#include "observatory/ingest/rpc_status.h"

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "base/quote.h"

namespace enclave::observatory::ingest {
namespace {

constexpr const char* kRetryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

int RpcCode(base::ErrorKind kind) {
  using base::ErrorKind;
  switch (kind) {
    case ErrorKind::kCancelled:
      return 1;
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kUnprocessable:
    case ErrorKind::kNotAcceptable:
    case ErrorKind::kUnsupportedMedia:
      return 3;
    case ErrorKind::kDeadlineExceeded:
      return 4;
    case ErrorKind::kNotFound:
    case ErrorKind::kExpired:
      return 5;
    case ErrorKind::kAlreadyExists:
      return 6;
    case ErrorKind::kPermissionDenied:
      return 7;
    case ErrorKind::kTooLarge:  // without RetryInfo: no client sends it again
    case ErrorKind::kResourceExhausted:
      return 8;
    case ErrorKind::kConflict:
      return 10;
    case ErrorKind::kMethodNotAllowed:
      return 12;
    case ErrorKind::kInternal:
      return 13;
    case ErrorKind::kUnavailable:
      return 14;
    case ErrorKind::kUnauthenticated:
      return 16;
  }
  return 2;
}

}  // namespace

RpcStatus ToRpcStatus(const base::Error& error, std::chrono::seconds retry_after) {
  RpcStatus status{.code = RpcCode(error.kind()), .message = error.message()};
  if (error.kind() == base::ErrorKind::kResourceExhausted ||
      error.kind() == base::ErrorKind::kUnavailable)
    status.retry_after = retry_after;
  return status;
}

int HttpStatus(base::ErrorKind kind) {
  using base::ErrorKind;
  switch (kind) {
    case ErrorKind::kInvalidArgument:
    case ErrorKind::kUnprocessable:
    case ErrorKind::kNotAcceptable:
      return 400;
    case ErrorKind::kUnauthenticated:
      return 401;
    case ErrorKind::kPermissionDenied:
      return 403;
    case ErrorKind::kNotFound:
    case ErrorKind::kExpired:
      return 404;
    case ErrorKind::kMethodNotAllowed:
      return 405;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
      return 409;
    case ErrorKind::kTooLarge:
      return 413;
    case ErrorKind::kUnsupportedMedia:
      return 415;
    case ErrorKind::kResourceExhausted:
      return 429;
    case ErrorKind::kUnavailable:
    case ErrorKind::kCancelled:
      return 503;
    case ErrorKind::kDeadlineExceeded:
      return 504;
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

std::string ToProtobuf(const RpcStatus& status) {
  std::string bytes;
  protozero::pbf_writer message(bytes);
  if (status.code != 0) message.add_int32(1, status.code);
  if (!status.message.empty()) message.add_string(2, status.message);
  if (status.retry_after) {
    std::string info;
    protozero::pbf_writer retry_info(info);
    protozero::pbf_writer delay(retry_info, 1);
    delay.add_int64(1, status.retry_after->count());
    delay.commit();
    protozero::pbf_writer any(message, 3);
    any.add_string(1, kRetryInfoType);
    any.add_bytes(2, info);
  }
  return bytes;
}

std::string ToJson(const RpcStatus& status) {
  std::string text =
      fmt::format(R"({{"code":{},"message":{})", status.code, base::Quote(status.message));
  if (status.retry_after) {
    text += fmt::format(R"(,"details":[{{"@type":"{}","retryDelay":"{}s"}}])", kRetryInfoType,
                        status.retry_after->count());
  }
  return text + "}";
}

}  // namespace enclave::observatory::ingest
