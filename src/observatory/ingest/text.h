// Small operations on text from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "trace/trace_id.h"

namespace enclave::observatory::ingest {

std::string AsciiLower(std::string_view text);
// Without spaces and tabs at both ends.
std::string_view Trim(std::string_view text);
// "application/json" of "Application/JSON; charset=utf-8".
std::string MediaType(std::string_view content_type);
// A parameter of it: "x" of "application/x-protobuf;proto=x"; "" when there is none.
std::string MediaParameter(std::string_view content_type, std::string_view name);

using base::IsUtf8;
// Bytes that are no UTF-8 become U+FFFD.
std::string ToUtf8(std::string_view text);
// At most `max_bytes` of a UTF-8 text, cut between characters.
std::string_view Cut(std::string_view text, std::size_t max_bytes);

inline bool IsAsciiAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
// A name of Loki's labels and of Prometheus' in their classic form: [a-zA-Z_][a-zA-Z0-9_]*.
bool IsLabelName(std::string_view name);

// The 16 and 8 bytes of OTLP; nullopt for another length and for zeros.
std::optional<trace::TraceId> TraceIdOf(std::string_view bytes);
std::optional<trace::SpanId> SpanIdOf(std::string_view bytes);

}  // namespace enclave::observatory::ingest
