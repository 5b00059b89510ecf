#include "observatory/scrape/log_line.h"

#include <simdjson.h>

#include <algorithm>

namespace enclave::observatory::scrape {
namespace {

using trace::SpanId;
using trace::TraceId;

constexpr std::size_t kMaxLevelBytes = 32;

// A field's name without what its spellings differ in: trace_id, traceId, TraceID, trace.id.
std::string Folded(std::string_view name) {
  std::string folded;
  for (const char c : name.substr(0, 64)) {
    if (c == '_' || c == '-' || c == '.') continue;
    folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return folded;
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

std::string NormalLevel(std::string_view raw) {
  std::string level;
  for (const char c : raw.substr(0, kMaxLevelBytes)) {
    level += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (IsOneOf(level, {"warning", "wrn", "w"})) return "warn";
  if (IsOneOf(level, {"err", "eror", "e"})) return "error";
  if (IsOneOf(level, {"information", "informational", "inf", "notice", "i"})) return "info";
  if (IsOneOf(level, {"dbg", "d"})) return "debug";
  if (IsOneOf(level, {"critical", "crit", "panic", "dpanic", "emerg", "emergency", "alert", "f"})) {
    return "fatal";
  }
  return level;
}

// Bunyan's and pino's numbers.
std::string NumericLevel(std::int64_t number) {
  switch (number) {
    case 10:
      return "trace";
    case 20:
      return "debug";
    case 30:
      return "info";
    case 40:
      return "warn";
    case 50:
      return "error";
    case 60:
      return "fatal";
    default:
      return std::to_string(number);
  }
}

void TakeText(std::string_view folded, std::string_view value, telemetry::LogRecord& record) {
  if (IsOneOf(folded, {"traceid", "oteltraceid", "ddtraceid", "xtraceid", "xb3traceid"})) {
    if (!record.trace_id) record.trace_id = TraceId::Parse(value);
  } else if (IsOneOf(folded, {"spanid", "otelspanid", "ddspanid", "xspanid", "xb3spanid",
                              "logginggoogleapiscom/spanid"})) {
    if (!record.span_id) record.span_id = SpanId::Parse(value);
  } else if (folded == "logginggoogleapiscom/trace") {
    // projects/NAME/traces/ID
    if (!record.trace_id) record.trace_id = TraceId::Parse(value.substr(value.rfind('/') + 1));
  } else if (IsOneOf(folded,
                     {"level", "severity", "lvl", "loglevel", "severitytext", "levelname"})) {
    if (!value.empty() && !record.metadata.Has("level")) {
      record.metadata.Set("level", NormalLevel(value));
    }
  } else if (folded == "traceparent" && value.size() >= 52 && value[2] == '-') {
    // W3C: version-trace-span-flags
    if (!record.trace_id) record.trace_id = TraceId::Parse(value.substr(3, 32));
    if (!record.span_id) record.span_id = SpanId::Parse(value.substr(36, 16));
  }
}

void TakeObject(simdjson::ondemand::object object, const std::string& prefix, int depth,
                telemetry::LogRecord& record) {
  for (auto field : object) {
    std::string_view key;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return;
    const std::string folded = prefix + Folded(key);
    simdjson::ondemand::value value;
    simdjson::ondemand::json_type type{};
    if (field.value().get(value) != simdjson::SUCCESS ||
        value.type().get(type) != simdjson::SUCCESS) {
      return;
    }
    if (type == simdjson::ondemand::json_type::string) {
      std::string_view text;
      if (value.get_string().get(text) != simdjson::SUCCESS) return;
      TakeText(folded, text, record);
    } else if (type == simdjson::ondemand::json_type::number) {
      std::int64_t number = 0;
      if (folded == "level" && value.get_int64().get(number) == simdjson::SUCCESS &&
          !record.metadata.Has("level")) {
        record.metadata.Set("level", NumericLevel(number));
      }
    } else if (type == simdjson::ondemand::json_type::object && depth == 0 &&
               IsOneOf(folded, {"trace", "span", "log", "context", "spancontext", "otel"})) {
      // ECS nests {"trace": {"id": ...}}, {"log": {"level": ...}}.
      simdjson::ondemand::object inner;
      if (value.get_object().get(inner) != simdjson::SUCCESS) return;
      const bool named = folded == "trace" || folded == "span";
      TakeObject(inner, named ? folded : std::string(), depth + 1, record);
    }
  }
}

void TakeJson(const std::string& line, telemetry::LogRecord& record) {
  thread_local simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(line);
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS) {
    return;
  }
  TakeObject(object, "", 0, record);
}

// key=value and key="value", separated by blanks.
void TakeLogfmt(std::string_view line, telemetry::LogRecord& record) {
  std::size_t at = 0;
  while ((at = line.find('=', at)) != std::string_view::npos) {
    const std::size_t blank = line.find_last_of(" \t,", at);
    const std::size_t begin = blank == std::string_view::npos ? 0 : blank + 1;
    const std::string_view key = line.substr(begin, at - begin);
    ++at;
    std::string_view value = line.substr(at);
    const bool quoted = value.starts_with('"');
    if (quoted) value.remove_prefix(1);
    value = value.substr(0, value.find_first_of(quoted ? "\"" : " \t,"));
    if (!key.empty() && key.size() <= 32) TakeText(Folded(key), value, record);
    at += value.size() + (quoted ? 1 : 0);
  }
}

}  // namespace

telemetry::LogRecord ReadLogLine(std::int64_t time_ns, std::string text) {
  telemetry::LogRecord record;
  record.time_ns = time_ns;
  const std::size_t first = text.find_first_not_of(" \t");
  if (first != std::string::npos && text[first] == '{') {
    TakeJson(text, record);
  } else if (text.find('=') != std::string::npos) {
    TakeLogfmt(text, record);
  }
  record.line = std::move(text);
  return record;
}

}  // namespace enclave::observatory::scrape
