// Compressed bodies: never more than the bound comes out, nor is more than that charged.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/ingest/decompress.h"
#include "observatory/ingest/fuzz_sink.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::ingest;
  constexpr std::size_t kMost = 64 << 10;
  static ByteBudget budget(16 << 20);
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  ByteBudget::Hold hold(budget);
  const auto plain = data[0] % 3 == 0   ? Unsnappy(body, kMost, hold)
                     : data[0] % 3 == 1 ? Inflate(body, ZlibFormat::kGzip, kMost, hold)
                                        : Inflate(body, ZlibFormat::kZlib, kMost, hold);
  if (plain) {
    CHECK(plain->size() <= kMost, "within the bound");
  } else {
    CheckSendersFault(plain.error().kind());
  }
  CHECK(hold.charged() <= kMost + 1, "no more than the bound is charged");
  return 0;
}
