// Times as Kubernetes writes them: RFC 3339, UTC. metadata has whole seconds (metav1.Time), leases
// and events have microseconds (metav1.MicroTime), log lines nanoseconds.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "kube/object.h"

namespace enclave::kube {

std::string FormatTime(base::WallTime time);       // "2026-01-02T03:04:05Z", rounded down
std::string FormatMicroTime(base::WallTime time);  // "2026-01-02T03:04:05.000006Z"
std::string FormatNanoTime(base::WallTime time);   // "2026-01-02T03:04:05.000000006Z"

// Any RFC 3339 date-time: 'T', optional fraction (digits past the ninth are dropped), "Z" or an
// offset. kInvalidArgument names the fault. Years from 1678 to 2261: what the type can hold.
base::Result<base::WallTime> ParseTime(std::string_view text);

// The time at a dotted path; nullopt when absent or malformed.
std::optional<base::WallTime> TimeAt(const Json& value, std::string_view dotted_path);

}  // namespace enclave::kube
