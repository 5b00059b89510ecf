// A span as bytes. What is in its key in the database (trace id, span id, start) is not in them,
// and of its resource only a number that stands for it.
// docs/formats/observatory-logs-and-spans.md draws them. Decoding accepts any bytes: what is not a
// span is an error (kInternal), never a crash.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "observatory/store/coding.h"
#include "telemetry/span.h"

namespace enclave::observatory::store {

void PutAttributes(std::string& to, const telemetry::Attributes& attributes);
std::optional<telemetry::Attributes> ReadAttributes(ByteReader& reader);
// In the place of what `attributes` held, whose memory is used again. False: no attributes; what
// they hold then is undefined.
bool ReadAttributesInto(ByteReader& reader, telemetry::Attributes& attributes);

// With `resource` the resource is kept elsewhere under this number, without it among the bytes.
std::string EncodeSpan(const telemetry::Span& span, std::optional<std::uint64_t> resource);

struct DecodedSpan {
  telemetry::Span span;                   // ids and start are those that were handed in
  std::optional<std::uint64_t> resource;  // set: to be looked up
};
base::Result<DecodedSpan> DecodeSpan(std::string_view bytes, trace::TraceId trace_id,
                                     trace::SpanId span_id, std::int64_t start_ns);
// The same in the place of the span before, whose memory is used again: for reading many. Ids and
// start of `span` are set before; its resource stays as it is. A resource among the bytes goes to
// `own_resource`; else the value is the number to be looked up.
base::Result<std::optional<std::uint64_t>> DecodeSpanInto(std::string_view bytes,
                                                          telemetry::Span& span,
                                                          telemetry::Attributes& own_resource);

}  // namespace enclave::observatory::store
