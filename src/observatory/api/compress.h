// gzip for answers (RFC 1952).
#pragma once

#include <string>
#include <string_view>

namespace enclave::observatory::api {

// Whether an Accept-Encoding header takes gzip (RFC 9110, 12.5.3): named, or *, with a weight that
// is not zero.
bool AcceptsGzip(std::string_view accept_encoding);
// At zlib's fastest level: answers are read once, and mostly on the same machine.
std::string Gzip(std::string_view data);

}  // namespace enclave::observatory::api
