// The error vocabulary of the whole program. Errors that can happen are values: a function that can
// fail returns Result<T>, and the Error says what was being done, to what, and what to do next.
// Broken invariants are CHECKs (check.h), never Errors.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace enclave::base {

// The kinds follow the canonical codes of gRPC where one fits, so that they map both ways onto HTTP
// statuses and Kubernetes Status reasons (kube/status.h).
enum class ErrorKind : std::uint8_t {
  kInvalidArgument,    // malformed input; the caller must change it (HTTP 400)
  kUnprocessable,      // well-formed but breaks a rule of the object's kind (422)
  kUnauthenticated,    // no or wrong credentials (401)
  kPermissionDenied,   // known, and not allowed (403)
  kNotFound,           // (404)
  kMethodNotAllowed,   // (405)
  kNotAcceptable,      // no representation the caller accepts (406)
  kAlreadyExists,      // (409 AlreadyExists)
  kConflict,           // lost an optimistic race, or a precondition failed (409 Conflict)
  kExpired,            // the asked history is gone; list again (410)
  kTooLarge,           // (413)
  kUnsupportedMedia,   // (415)
  kResourceExhausted,  // a bound was hit; retry later (429)
  kUnavailable,        // a peer or the disk is not there now; retry with back-off (503)
  kDeadlineExceeded,   // (504)
  kCancelled,          // the caller went away
  kInternal,           // a fault of ours (500)
};

// "NotFound", "Conflict", ...
std::string_view ToString(ErrorKind kind);

class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  // "NotFound: deployments.apps "web" not found"
  std::string ToString() const;

  // The same error with "what was being done: " put in front.
  Error While(std::string_view doing) const;

 private:
  ErrorKind kind_;
  std::string message_;
};

template <typename T = void>
using Result = std::expected<T, Error>;

// `return Fail(ErrorKind::kNotFound, "...")` from any function that returns a Result.
inline std::unexpected<Error> Fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error(kind, std::move(message)));
}
inline std::unexpected<Error> Fail(Error error) {
  return std::unexpected(std::move(error));
}

}  // namespace enclave::base

#define ENCLAVE_CONCAT_INNER(a, b) a##b
#define ENCLAVE_CONCAT(a, b) ENCLAVE_CONCAT_INNER(a, b)

// RETURN_IF_ERROR(expr): leaves the function with the error of a Result, whatever its value type.
#define RETURN_IF_ERROR(expr)                                    \
  do {                                                           \
    if (auto enclave_result = (expr); !enclave_result)           \
      return std::unexpected(std::move(enclave_result).error()); \
  } while (false)

// ASSIGN_OR_RETURN(auto value, expr): the value, or leaves the function with the error.
#define ASSIGN_OR_RETURN(declaration, expr) \
  ASSIGN_OR_RETURN_IMPL(ENCLAVE_CONCAT(enclave_result_, __LINE__), declaration, expr)
#define ASSIGN_OR_RETURN_IMPL(result, declaration, expr)          \
  auto result = (expr);                                           \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
