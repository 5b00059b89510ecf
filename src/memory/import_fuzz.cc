// Lines of an imported memory: any bytes are an incident or an error; an incident that was parsed
// is written and parsed again as the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "memory/exchange.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace memory = enclave::memory;
  // Few numbers, so that a fuzzer can write a whole fingerprint.
  constexpr std::size_t kDimensions = 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(memory::CheckHeaderLine(bytes, kDimensions).has_value());
  const auto incident = memory::ParseIncidentLine(bytes, kDimensions);
  if (incident) {
    const auto again = memory::ParseIncidentLine(memory::IncidentLine(*incident), kDimensions);
    CHECK(again.has_value(), "what was parsed can be written and parsed");
    CHECK(again->id == incident->id && again->outcomes == incident->outcomes &&
              again->fingerprint == incident->fingerprint,
          "and is the same then");
  }
  if (const auto features = memory::ParseFeatures(bytes)) {
    const auto again = memory::ParseFeatures(memory::FormatFeatures(*features));
    CHECK(again.has_value() && *again == *features, "features survive their text");
  }
  return 0;
}
