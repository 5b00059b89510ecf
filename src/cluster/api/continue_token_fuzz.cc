// Any bytes as a `continue` token: refused, or a token that says the same when written again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cluster/api/continue_token.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::cluster;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token = DecodeContinue(text);
  if (!token) return 0;
  const auto again = DecodeContinue(EncodeContinue(*token));
  CHECK(again.has_value() && *again == *token, "a token survives being written and read");
  return 0;
}
