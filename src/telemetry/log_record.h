// Log records, in the data model of OpenTelemetry, kept in streams of Loki's model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "telemetry/labels.h"
#include "trace/trace_id.h"

namespace enclave::telemetry {

struct LogRecord {
  std::int64_t time_ns = 0;  // since 1970, UTC
  std::string line{};        // the body; structured bodies as JSON
  // Loki's structured metadata: attributes of this record that name no stream (pod uid, severity
  // as `level`, and so on). Trace and span id stand below, not here.
  Labels metadata{};
  std::optional<trace::TraceId> trace_id{};
  std::optional<trace::SpanId> span_id{};
  bool operator==(const LogRecord&) const = default;
};

}  // namespace enclave::telemetry
