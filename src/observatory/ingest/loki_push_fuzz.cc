// Loki's push, as JSON and as protobuf after snappy.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observatory/ingest/fuzz_sink.h"
#include "observatory/ingest/loki_push.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::ingest;
  static ByteBudget budget(16 << 20);
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  {
    ByteBudget::Hold hold(budget);
    const auto push = data[0] % 2 == 0 ? ReadLokiJson(body, hold) : ReadLokiProtobuf(body, hold);
    if (push) {
      CHECK(push->refused.count <= push->records, "no more than came");
      CheckBatch(push->batch);
    } else {
      CheckSendersFault(push.error().kind());
    }
  }
  CHECK(budget.used() == 0, "everything is given back");
  return 0;
}
