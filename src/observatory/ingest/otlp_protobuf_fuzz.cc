// OTLP in protobuf, each signal: whatever the bytes, what comes of them keeps the model's rules and
// the budget, and every error is the sender's.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/executor.h"
#include "observatory/ingest/fuzz_sink.h"
#include "observatory/ingest/receiver.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::ingest;
  static FuzzSink sink;
  static Receiver receiver(
      sink,
      {.max_body_bytes = 1 << 20, .max_in_flight_bytes = 16 << 20, .otlp = {.scope_labels = true}},
      enclave::base::SystemClock());
  if (size == 0) return 0;
  const auto signal = static_cast<OtlpSignal>(data[0] % 3);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto reply = receiver.ExportGrpc(signal, bytes);
  if (!reply) CheckSendersFault(reply.error().kind());
  CHECK(receiver.in_flight_bytes() == 0, "everything is given back");
  return 0;
}
