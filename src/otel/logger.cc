#include "otel/logger.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/quote.h"
#include "otel/span.h"

namespace enclave::otel {
namespace {

std::string FormatTime(std::int64_t time_ns) {
  const std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(time_ns)};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06d}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     std::chrono::duration_cast<std::chrono::microseconds>(time - seconds).count());
}

std::string JsonValue(const telemetry::AttributeValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return base::Quote(*text);
  // JSON has no word for numbers that are none.
  if (const auto* number = std::get_if<double>(&value); number && !(*number - *number == 0))
    return base::Quote(telemetry::ToText(value));
  return telemetry::ToText(value);
}

void WriteWhole(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;  // nobody reads: the record is still exported
    }
    data.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string_view ToString(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "DEBUG";
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarn:
      return "WARN";
    case Severity::kError:
      return "ERROR";
  }
  return "INFO";
}

std::string FormatJsonLine(const EmittedLog& log, std::string_view service) {
  std::string line = fmt::format(R"({{"time":"{}","severity":"{}","service":{},"message":{})",
                                 FormatTime(log.time_ns), ToString(log.severity),
                                 base::Quote(service), base::Quote(log.message));
  if (log.span)
    line += fmt::format(R"(,"trace_id":"{}","span_id":"{}")", log.span->trace_id.ToString(),
                        log.span->span_id.ToString());
  for (const telemetry::Attribute& attribute : log.attributes)
    line += fmt::format(",{}:{}", base::Quote(attribute.key), JsonValue(attribute.value));
  line += "}\n";
  return line;
}

Logger::Logger(const base::Clock& clock, Options options, std::function<void(EmittedLog)> emitted)
    : clock_(clock), options_(std::move(options)), emitted_(std::move(emitted)) {}

void Logger::Log(Severity severity, std::string_view message, telemetry::Attributes attributes) {
  Log(severity, message, std::move(attributes), Current().span ? &*Current().span : nullptr);
}

void Logger::Log(Severity severity, std::string_view message, telemetry::Attributes attributes,
                 const SpanContext* span) {
  if (severity < options_.minimum) return;
  EmittedLog log{.time_ns = clock_.WallNow().time_since_epoch().count(),
                 .severity = severity,
                 .message = std::string(message),
                 .attributes = std::move(attributes)};
  if (span != nullptr) log.span = *span;
  if (options_.fd >= 0) WriteWhole(options_.fd, FormatJsonLine(log, options_.service));
  if (emitted_) emitted_(std::move(log));
}

void Logger::Exception(std::string_view message, const ExceptionInfo& exception,
                       telemetry::Attributes attributes) {
  for (telemetry::Attribute& attribute : ExceptionAttributes(exception))
    attributes.push_back(std::move(attribute));
  Log(Severity::kError, message, std::move(attributes));
}

}  // namespace enclave::otel
