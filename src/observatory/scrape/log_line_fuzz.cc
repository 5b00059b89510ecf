// Whatever a container prints, the line stays as it is.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "observatory/scrape/log_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string line(reinterpret_cast<const char*>(data), size);
  const telemetry::LogRecord record = observatory::scrape::ReadLogLine(7, line);
  CHECK(record.line == line && record.time_ns == 7, "the line stays");
  return 0;
}
