// Structured logs: each record is one line of JSON on standard output, with time, severity,
// message, trace_id, span_id and its attributes, and is exported as an OTLP log record as well.
//
// Thread safety: any thread. A line is written by one write(2), so lines of threads do not mix.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "otel/context.h"
#include "otel/exception.h"
#include "telemetry/span.h"

namespace enclave::otel {

// The numbers are OTLP's.
enum class Severity : std::uint8_t { kDebug = 5, kInfo = 9, kWarn = 13, kError = 17 };
std::string_view ToString(Severity severity);  // "DEBUG", "INFO", "WARN", "ERROR"

struct EmittedLog {
  std::int64_t time_ns = 0;
  Severity severity = Severity::kInfo;
  std::string message{};
  telemetry::Attributes attributes{};
  std::optional<SpanContext> span{};  // the one that was current
};

class Logger {
 public:
  struct Options {
    std::string service;
    Severity minimum = Severity::kInfo;
    int fd = 1;  // where the lines go; -1: nowhere
  };
  Logger(const base::Clock& clock, Options options, std::function<void(EmittedLog)> emitted);

  void Log(Severity severity, std::string_view message, telemetry::Attributes attributes = {});
  // For callers whose span is not the current one.
  void Log(Severity severity, std::string_view message, telemetry::Attributes attributes,
           const SpanContext* span);
  void Debug(std::string_view message, telemetry::Attributes attributes = {}) {
    Log(Severity::kDebug, message, std::move(attributes));
  }
  void Info(std::string_view message, telemetry::Attributes attributes = {}) {
    Log(Severity::kInfo, message, std::move(attributes));
  }
  void Warn(std::string_view message, telemetry::Attributes attributes = {}) {
    Log(Severity::kWarn, message, std::move(attributes));
  }
  void Error(std::string_view message, telemetry::Attributes attributes = {}) {
    Log(Severity::kError, message, std::move(attributes));
  }
  // kError, with exception.* and code.* attributes.
  void Exception(std::string_view message, const ExceptionInfo& exception,
                 telemetry::Attributes attributes = {});

 private:
  const base::Clock& clock_;
  const Options options_;
  std::function<void(EmittedLog)> emitted_;
};

// One line of the container's log, with its line feed.
std::string FormatJsonLine(const EmittedLog& log, std::string_view service);

}  // namespace enclave::otel
