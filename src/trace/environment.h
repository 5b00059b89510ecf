// The trace that a process belongs to, handed on by environment as headers are from service to
// service: TRACEPARENT and TRACESTATE (OpenTelemetry, "Environment Variables as Context Propagation
// Carriers"), B3, X_B3_TRACEID, X_B3_SPANID, X_B3_SAMPLED.
//
// Pure functions on values; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/trace_context.h"

namespace enclave::trace {

// The value of an environment variable; nullopt when it is not set.
using EnvironmentValue = std::function<std::optional<std::string>(const std::string& name)>;

// What the environment says, by the rules of Extract.
std::optional<TraceContext> ExtractFromEnvironment(const EnvironmentValue& value);

// `environment` ("NAME=value" each) with `context` in place of whatever trace it names.
std::vector<std::string> InjectIntoEnvironment(const TraceContext& context,
                                               std::vector<std::string> environment);

}  // namespace enclave::trace
