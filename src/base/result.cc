#include "base/result.h"

namespace enclave::base {

std::string_view ToString(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return "InvalidArgument";
    case ErrorKind::kUnprocessable:
      return "Unprocessable";
    case ErrorKind::kUnauthenticated:
      return "Unauthenticated";
    case ErrorKind::kPermissionDenied:
      return "PermissionDenied";
    case ErrorKind::kNotFound:
      return "NotFound";
    case ErrorKind::kMethodNotAllowed:
      return "MethodNotAllowed";
    case ErrorKind::kNotAcceptable:
      return "NotAcceptable";
    case ErrorKind::kAlreadyExists:
      return "AlreadyExists";
    case ErrorKind::kConflict:
      return "Conflict";
    case ErrorKind::kExpired:
      return "Expired";
    case ErrorKind::kTooLarge:
      return "TooLarge";
    case ErrorKind::kUnsupportedMedia:
      return "UnsupportedMedia";
    case ErrorKind::kResourceExhausted:
      return "ResourceExhausted";
    case ErrorKind::kUnavailable:
      return "Unavailable";
    case ErrorKind::kDeadlineExceeded:
      return "DeadlineExceeded";
    case ErrorKind::kCancelled:
      return "Cancelled";
    case ErrorKind::kInternal:
      return "Internal";
  }
  return "Unknown";
}

std::string Error::ToString() const {
  return std::string(base::ToString(kind_)) + ": " + message_;
}

Error Error::While(std::string_view doing) const {
  return Error(kind_, std::string(doing) + ": " + message_);
}

}  // namespace enclave::base
