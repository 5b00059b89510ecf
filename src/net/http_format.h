// Writes the heads of HTTP/1.1 messages. Line breaks in header values, which would start another
// header, become spaces; headers whose name is not a token are dropped.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace enclave::net {

enum class Framing { kLength, kChunked, kUntilClose, kNoBody };

// Status line, headers, Date, and what says how the body ends. Content-Length, Transfer-Encoding
// and Connection of `response` are replaced.
std::string FormatResponseHead(const Response& response, Framing framing,
                               std::size_t content_length, bool keep_alive);
// Request line and headers; Host and Content-Length are added. A target with control characters or
// spaces in it is percent-encoded there.
std::string FormatRequestHead(std::string_view method, std::string_view target,
                              const Headers& headers, std::string_view host,
                              std::size_t content_length);
// False for 1xx, 204 and 304 (RFC 9110, 6.4.1).
bool StatusHasBody(int status);

}  // namespace enclave::net
