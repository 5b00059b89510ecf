// Times, durations and label names of queries: whatever comes is read or refused, and a time that
// is read and written down reads the same again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/api/compress.h"
#include "observatory/api/parameters.h"
#include "observatory/api/prometheus_parameters.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::api;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  static_cast<void>(ParsePrometheusTime(input));
  static_cast<void>(ParsePrometheusDuration(input));
  static_cast<void>(ParseLokiTime(input));
  static_cast<void>(ParseGoDuration(input));
  static_cast<void>(ParseLimit(input));
  static_cast<void>(UnescapeLabelName(input));
  static_cast<void>(AcceptsGzip(input));
  if (const auto nanos = ParseRfc3339(input)) {
    const std::int64_t ms = *nanos / 1'000'000;
    CHECK(ParsePrometheusTime(FormatRfc3339(ms)) == ms, "a time survives being written down");
  }
  return 0;
}
