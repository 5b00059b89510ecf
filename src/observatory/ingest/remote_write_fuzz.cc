// Remote write, both versions, after snappy.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/ingest/fuzz_sink.h"
#include "observatory/ingest/remote_write.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::ingest;
  static ByteBudget budget(16 << 20);
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  {
    ByteBudget::Hold hold(budget);
    auto write = data[0] % 2 == 0 ? DecodeRemoteWrite(body, hold) : DecodeRemoteWriteV2(body, hold);
    if (write) {
      CHECK(write->refused.count <= write->samples + write->histograms, "no more than came");
      CheckBatch(write->batch);
    } else {
      CheckSendersFault(write.error().kind());
    }
  }
  CHECK(budget.used() == 0, "everything is given back");
  return 0;
}
