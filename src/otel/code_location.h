// The places of the program that spans name: code.filepath, code.function and code.lineno of the
// semantic conventions, from std::source_location. An internal span names the place that began it,
// the client span of a call the place that called, an error that is a value the place it was made.
//
// Threading: any thread; what is current belongs to the thread.
#pragma once

#include <source_location>
#include <string>
#include <string_view>

#include "telemetry/span.h"

namespace enclave::otel {

// Made once per place and thread; valid as long as the thread. Empty for files that are not ours.
const telemetry::Attributes& CodeAttributes(const std::source_location& where);

// A function's name without its type and parameters: what `function_name()` and demangled symbols
// say in front of and behind it.
std::string_view BareFunctionName(std::string_view pretty);

// Says, until the end of the scope, which place of the program the calls of this thread come from.
class ScopedCallSite {
 public:
  explicit ScopedCallSite(const std::source_location& where);
  ~ScopedCallSite();
  ScopedCallSite(const ScopedCallSite&) = delete;
  ScopedCallSite& operator=(const ScopedCallSite&) = delete;
  // Null outside of any.
  static const std::source_location* Current();

 private:
  const std::source_location* before_;
};

}  // namespace enclave::otel
