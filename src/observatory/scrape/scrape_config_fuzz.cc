// A configuration is refused with a line of the file, or read into jobs that hold what they
// promise.
#include <cstddef>
#include <cstdint>

#include <algorithm>

#include "base/check.h"
#include "observatory/scrape/scrape_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  if (size > 16 << 10) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = observatory::scrape::ParseScrapeConfig(text, "f");
  if (!config) {
    CHECK(config.error().message().starts_with("f:"), "an error names its line");
    return 0;
  }
  telemetry::Labels labels{{"__address__", "a:1"}, {"job", "j"}};
  for (const auto& job : config->jobs) {
    CHECK(!job.name.empty() && job.timeout <= job.interval, "a job is sound");
    telemetry::Labels shaped = labels;
    (void)Relabel(job.relabel, shaped);
  }
  return 0;
}
