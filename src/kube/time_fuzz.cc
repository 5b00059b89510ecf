// Times: what parses and is written again is the same instant.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "kube/time.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::kube;
  const auto time = ParseTime({reinterpret_cast<const char*>(data), size});
  if (!time) return 0;
  // An offset may carry the last or first representable day out of the years that are read.
  const auto nanos = ParseTime(FormatNanoTime(*time));
  CHECK(!nanos || *nanos == *time, "the nanosecond form keeps the instant");
  const auto seconds = ParseTime(FormatTime(*time));
  CHECK(!seconds || *seconds == std::chrono::floor<std::chrono::seconds>(*time),
        "the seconds form rounds down");
  return 0;
}
