// Exceptions with the place they were thrown at, also those that libraries throw (`.at()` of a
// map). `__cxa_throw` of the C++ runtime is overlaid in programs that link this folder: it keeps
// the return addresses of the throwing thread. They become names and lines, by the line tables of
// the program, only when somebody asks.
#pragma once

#include <exception>
#include <source_location>
#include <string>
#include <string_view>

namespace enclave::otel {

// The attributes of OpenTelemetry's semantic conventions for exceptions and for code.
struct ExceptionInfo {
  std::string type;     // exception.type: "std::out_of_range"
  std::string message;  // exception.message: what()
  std::string stack;    // exception.stacktrace: one frame a line, innermost first
  // The innermost frame in the program's own source; empty and 0 when there is none.
  std::string file;      // code.filepath, relative to the source tree: "src/lab/boutique/money.cc"
  std::string function;  // code.function
  int line = 0;          // code.lineno
};

// Of the exception that is being handled: called inside of a catch block, on the thread that
// threw. For an exception from another thread, and one rethrown after others, stack and place may
// be missing. The first call reads the line tables (some milliseconds).
ExceptionInfo DescribeCurrentException();

// Of a failure that is a value and not thrown: `where` is the place that decided on it, and the
// stack has this one frame.
ExceptionInfo ExceptionAt(std::string type, std::string message, const std::source_location& where);

// A path of the line tables relative to the source tree: "src/..." for our own files, "" for
// others.
std::string OwnSourcePath(std::string_view path);

}  // namespace enclave::otel
