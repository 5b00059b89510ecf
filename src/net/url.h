// The URL of an HTTP origin (RFC 3986), as far as clients of this program need it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::net {

struct Origin {
  bool is_tls = false;
  std::string unix_path;    // set instead of host and port
  std::string host;         // without brackets
  std::uint16_t port = 80;  // by the scheme when not given
  std::string authority;    // for the Host header: "[::1]:8080", no default port
  std::string prefix;       // put before each target; no slash at its end
};

// kInvalidArgument, with the URL and what is wrong with it; user names and queries are refused.
base::Result<Origin> ParseOrigin(std::string_view url);

}  // namespace enclave::net
