// OTLP in JSON, each signal, over HTTP, compressed or not.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/executor.h"
#include "observatory/ingest/fuzz_sink.h"
#include "observatory/ingest/receiver.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace enclave::observatory::ingest;
  static FuzzSink sink;
  static Receiver receiver(sink, {.max_body_bytes = 1 << 20, .max_in_flight_bytes = 32 << 20},
                           enclave::base::SystemClock());
  if (size == 0) return 0;
  enclave::net::Request request;
  request.method = "POST";
  request.headers["Content-Type"] = "application/json";
  if ((data[0] & 4) != 0) request.headers["Content-Encoding"] = "gzip";
  request.body.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto response = receiver.HandleOtlp(static_cast<OtlpSignal>(data[0] % 3), request);
  CHECK(response.status == 200 || response.status == 400 || response.status == 413,
        "written, or the sender's fault");
  CHECK(!response.body.empty() && response.body.front() == '{', "answered in JSON");
  CHECK(receiver.in_flight_bytes() == 0, "everything is given back");
  return 0;
}
