#include "base/log.h"

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <mutex>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/quote.h"

namespace enclave::base {
namespace {

std::atomic<LogLevel> minimum_level = LogLevel::kInfo;

std::shared_ptr<spdlog::logger> MakeLogger(std::shared_ptr<spdlog::sinks::sink> sink) {
  auto logger = std::make_shared<spdlog::logger>("enclave", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  // A line must be on disk when the process is killed right after.
  logger->flush_on(spdlog::level::trace);
  return logger;
}

class Output {
 public:
  std::shared_ptr<spdlog::logger> Get() {
    const std::lock_guard lock(mutex_);
    return logger_;
  }
  void Set(std::shared_ptr<spdlog::logger> logger) {
    const std::lock_guard lock(mutex_);
    logger_ = std::move(logger);
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<spdlog::logger> logger_ =
      MakeLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
};

// Never destroyed: threads may log while the process exits.
Output& TheOutput() {
  static Output* const output = new Output;
  return *output;
}

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

}  // namespace

void SetLogLevel(LogLevel level) {
  minimum_level.store(level, std::memory_order_relaxed);
}

void LogToFile(const std::string& path, std::size_t max_bytes, std::size_t max_files) {
  try {
    TheOutput().Set(MakeLogger(
        std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, max_bytes, max_files)));
  } catch (const std::exception& failure) {
    LogError("log", "the log file cannot be opened; lines go on as before",
             {{"path", path}, {"error", failure.what()}});
  }
}

void Log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  std::string line =
      fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:06}Z","level":"{}","component":)",
                  fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                  (now - seconds).count(), Name(level));
  line += Quote(component);
  line += R"(,"message":)";
  line += Quote(message);
  for (const LogField& field : fields) {
    line += ',';
    line += Quote(field.key);
    line += ':';
    if (field.is_number) {
      line += fmt::format_int(field.number).str();
    } else {
      line += Quote(field.text);
    }
  }
  line += '}';
  // spdlog reports a failed write (disk full) itself, on standard error, at most once a second.
  TheOutput().Get()->log(spdlog::level::info, spdlog::string_view_t(line));
}

}  // namespace enclave::base
