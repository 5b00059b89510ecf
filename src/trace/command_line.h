// A command line fit to be kept: without what looks like a secret.
//
// What is taken out: the value after `=` or `:` of anything named as a secret is (--password=X,
// PGPASSWORD=X, "token": "X", X-Api-Key: X), the argument after such an option (--token X), the
// credentials of an Authorization header, and the password of a URL and of curl's -u. A secret that
// nothing names as one, as in `mysql -pX`, is not recognised: give those by file or environment.
//
// Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace enclave::trace {

inline constexpr const char* kRedacted = "***";
inline constexpr std::size_t kMaxCommandLineBytes = 4096;

// Of `arguments`, the first of them the program; cut at kMaxCommandLineBytes with a last "...".
std::vector<std::string> WithoutSecrets(std::span<const std::string> arguments);

}  // namespace enclave::trace
