// The answers of Prometheus, Loki and Tempo in the neutral model.
//
// Functions without state; any thread. kUnavailable, with what was wrong, for what is no answer of
// theirs: whoever said it is not the server it was taken for, or not well.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "telemetry/labels.h"
#include "telemetry/log_record.h"
#include "telemetry/metric.h"
#include "telemetry/span.h"

namespace enclave::telemetry::remote {

struct ReadSeries {
  Labels labels{};
  std::vector<Sample> samples{};  // by time, times unique
};
// Prometheus' "matrix" or "vector".
base::Result<std::vector<ReadSeries>> ParseMatrix(std::string_view body);
// "data" that is a list of label sets (Prometheus' and Loki's /series) or of texts (/labels).
base::Result<std::vector<Labels>> ParseLabelSets(std::string_view body);
base::Result<std::vector<std::string>> ParseTexts(std::string_view body);
base::Result<std::vector<SeriesExemplars>> ParseExemplars(std::string_view body);
base::Result<std::map<std::string, std::vector<MetricMetadata>>> ParseMetadata(
    std::string_view body);

struct ReadLine {
  std::size_t stream = 0;  // in ReadStreams::streams
  std::size_t index = 0;   // in ReadStreams::lines
  LogRecord record{};
};
struct ReadStreams {
  std::vector<Labels> streams{};
  std::vector<ReadLine> lines{};  // stream by stream, as they came
};
// Loki's "streams". Trace and span id of structured metadata (trace_id, traceid, traceID, ...)
// become the record's.
base::Result<ReadStreams> ParseStreams(std::string_view body);

// Ids of Tempo's /api/search. Ids that are not 32 hexadecimal digits are filled with zeros, as
// Tempo leaves out leading ones.
base::Result<std::vector<trace::TraceId>> ParseSearch(std::string_view body);
// The values of Tempo's /api/v2/search/tag/TAG/values, sorted.
base::Result<std::vector<std::string>> ParseTagValues(std::string_view body);
// Tempo's trace as OTLP's protobuf (TracesData), appended.
base::Result<> ParseTrace(std::string_view body, std::vector<Span>& spans);

}  // namespace enclave::telemetry::remote
