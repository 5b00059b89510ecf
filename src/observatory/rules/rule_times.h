// Times as Prometheus and Alertmanager write them: RFC 3339, UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/executor.h"

namespace enclave::observatory::rules {

// Go's zero time: "not yet", "never".
inline constexpr std::string_view kNoTime = "0001-01-01T00:00:00Z";

// "2026-01-02T03:04:05.25Z", as many digits as there are.
std::string FormatRfc3339(base::WallTime time);

// Milliseconds since 1970, rounded down: the time of a sample.
std::int64_t ToMs(base::WallTime time);

}  // namespace enclave::observatory::rules
