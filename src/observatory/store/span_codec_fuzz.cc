// Bytes of spans: any bytes are a span or an error; a span that was decoded is encoded to the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/store/span_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace store = enclave::observatory::store;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto trace = *enclave::trace::TraceId::Parse("0123456789abcdef0123456789abcdef");
  const auto span = *enclave::trace::SpanId::Parse("0123456789abcdef");
  const auto decoded = store::DecodeSpan(bytes, trace, span, 1'700'000'000'000'000'000);
  if (!decoded) return 0;
  const std::string encoded = store::EncodeSpan(decoded->span, decoded->resource);
  const auto again = store::DecodeSpan(encoded, trace, span, decoded->span.start_ns);
  CHECK(again, "what was encoded can be decoded");
  CHECK(store::EncodeSpan(again->span, again->resource) == encoded, "and is the same span");
  return 0;
}
