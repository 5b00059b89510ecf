// Splits what a logging library prints before a message (time, level, thread, source location,
// trace and span id) from the message itself, so that only the message becomes a template.
//
// Understood: Logback and Log4j patterns, Spring Boot, JSON lines (one object with `message` or
// `msg`), klog and glog, zap's console, Go's standard log, logfmt, Python's logging, nginx's error
// log, and any of these wrapped by a container runtime: Docker's {"log": ..., "stream": ...} and
// CRI's `TIME stdout F ...`. What looks like none of these comes back whole as the message: nothing
// is ever invented, and text that might belong to the message stays in it.
//
// Thread safety: free functions without state. Cost: well under a microsecond a line, without
// allocation unless JSON escapes must be undone.
#pragma once

#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>
#include <string_view>

namespace enclave::telemetry::templates {

// All views point into the line that was split, or into `unescaped`; they live as long as both.
// Empty where the line does not say.
struct LineHead {
  std::string_view level{};     // as printed: "WARN", "error", "E" (klog), "30" (pino); see LevelOf
  std::string_view location{};  // "t.s.TravelServiceImpl#532", "file.cc:123", or the logger's name
  std::string_view message{};   // without time, level, location, and without trace and span id
  std::string_view trace_id{};  // as printed
  std::string_view span_id{};
  // Text whose JSON escapes were undone. Null for most lines.
  std::shared_ptr<std::forward_list<std::string>> unescaped{};
};

LineHead SplitHead(std::string_view line);
// The same in two steps, for who often needs no message. The first leaves ids that stand at an end
// of the message where they are.
LineHead SplitFront(std::string_view line);
// Takes "TraceID: X SpanID: Y", "[trace_id=X, span_id=Y]" and their kin off both ends of the
// message.
void TakeTraceIds(LineHead* head);

enum class Level : std::uint8_t { kUnknown, kDebug, kInfo, kWarn, kError };

// What a printed level means, whatever its case: also the letters of klog and Android (D, I, W, E,
// F) and pino's numbers (30 is info, 50 is error). kUnknown for what is no level.
Level LevelOf(std::string_view printed);

}  // namespace enclave::telemetry::templates
