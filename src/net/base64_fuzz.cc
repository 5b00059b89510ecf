// Each text has one meaning and each meaning one text: what decodes encodes to the very same text.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "net/tls.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  CHECK(net::Base64Decode(net::Base64Encode(input)).value() == input, "encoding loses nothing");
  CHECK(net::Base64UrlDecode(net::Base64UrlEncode(input)).value() == input,
        "encoding loses nothing");
  if (const auto decoded = net::Base64Decode(input)) {
    CHECK(net::Base64Encode(*decoded) == input, "there is one text for each meaning");
  }
  if (const auto decoded = net::Base64UrlDecode(input)) {
    CHECK(net::Base64UrlEncode(*decoded) == input, "there is one text for each meaning");
  }
  return 0;
}
