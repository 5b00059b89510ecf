// Structured logging: one JSON object a line on standard error (or a rotated file), with time,
// level, component, message and fields. Never log a secret: fields are written as they are.
//
//   LogInfo("kubelet", "container started", {{"pod", name}, {"pid", pid}});
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace enclave::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Minimum level written; kInfo at start. Thread-safe.
void SetLogLevel(LogLevel level);
// Lines go to `path`, rotated at `max_bytes` with `max_files` older ones kept, instead of standard
// error. When the file cannot be opened, lines stay where they went before and say so.
void LogToFile(const std::string& path, std::size_t max_bytes = 10 << 20,
               std::size_t max_files = 3);

struct LogField {
  LogField(std::string_view key, std::string_view value) : key(key), text(value) {}
  LogField(std::string_view key, const char* value) : key(key), text(value) {}
  LogField(std::string_view key, const std::string& value) : key(key), text(value) {}
  LogField(std::string_view key, long long value) : key(key), number(value), is_number(true) {}
  template <typename T>
    requires std::is_integral_v<T>
  LogField(std::string_view key, T value) : LogField(key, static_cast<long long>(value)) {}
  std::string_view key;
  std::string text;
  long long number = 0;
  bool is_number = false;
};

// Thread-safe. Bytes that are not UTF-8 are written as U+FFFD, so that each line is valid JSON.
void Log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields = {});

inline void LogDebug(std::string_view component, std::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, component, message, fields);
}
inline void LogInfo(std::string_view component, std::string_view message,
                    std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, component, message, fields);
}
inline void LogWarning(std::string_view component, std::string_view message,
                       std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, component, message, fields);
}
inline void LogError(std::string_view component, std::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, component, message, fields);
}

}  // namespace enclave::base
