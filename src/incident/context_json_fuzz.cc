#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "incident/context_json.h"

// Whatever reads as a context writes as a text that reads as the same text again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto context =
      enclave::incident::ContextFromJson({reinterpret_cast<const char*>(data), size});
  if (!context) return 0;
  const std::string written = enclave::incident::ContextToJson(*context);
  const auto again = enclave::incident::ContextFromJson(written);
  CHECK(again.has_value(), "what was written can be read");
  CHECK(enclave::incident::ContextToJson(*again) == written, "and says the same");
  return 0;
}
