// Trace context in the metadata of gRPC calls: the same headers as in HTTP (trace/trace_context.h),
// in lower case, as gRPC wants its keys.
//
// Pure functions; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include <grpcpp/support/string_ref.h>

#include "trace/trace_context.h"

namespace enclave::otel {

// nullopt when no header names a trace. Keys that come twice count once.
std::optional<trace::TraceContext> ExtractFromMetadata(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

// Writes traceparent, tracestate and x-b3-*, in place of whatever trace headers are there.
void InjectIntoMetadata(const trace::TraceContext& context,
                        std::multimap<std::string, std::string>& metadata);

}  // namespace enclave::otel
