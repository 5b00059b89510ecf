// Bodies that were compressed with gzip (RFC 1952).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace enclave::observatory::scrape {

// kTooLarge when there is more than `max_bytes` in it; kInvalidArgument when it is broken.
base::Result<std::string> Gunzip(std::string_view compressed, std::size_t max_bytes);

}  // namespace enclave::observatory::scrape
