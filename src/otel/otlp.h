// The model as messages of OTLP (https://github.com/open-telemetry/opentelemetry-proto).
//
// Pure functions; any thread.
#pragma once

#include <vector>

#include "opentelemetry/common.pb.h"
#include "opentelemetry/logs_service.pb.h"
#include "opentelemetry/trace_service.pb.h"
#include "otel/logger.h"
#include "otel/tracer.h"

namespace enclave::otel {

inline constexpr std::string_view kScopeName = "enclave.otel";

// 16 and 8 bytes, big endian, as OTLP wants them.
std::string IdBytes(const trace::TraceId& id);
std::string IdBytes(const trace::SpanId& id);

void ToOtlp(const telemetry::Attributes& attributes,
            google::protobuf::RepeatedPtrField<opentelemetry::proto::common::v1::KeyValue>& out);

opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest ToOtlp(
    const telemetry::Attributes& resource, const std::vector<EndedSpan>& spans);

opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest ToOtlp(
    const telemetry::Attributes& resource, const std::vector<EmittedLog>& logs);

}  // namespace enclave::otel
