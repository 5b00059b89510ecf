// Everything that is pushed into the observatory over HTTP, and the part of OTLP over gRPC that
// knows nothing of gRPC: bodies are decompressed, decoded, translated and written to the Sink
// within bounds, and answered as each protocol says.
//
//   POST /v1/traces, /v1/metrics, /v1/logs, /otlp/v1/logs   HandleOtlp
//   POST /api/v1/write                                      HandleRemoteWrite
//   POST /loki/api/v1/push                                  HandleLokiPush
//
// Thread safety: every method may be called from any thread. The calls block until the sink has
// made durable what they brought. The sink and the clock outlive the receiver.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/result.h"
#include "net/http.h"
#include "observatory/ingest/byte_budget.h"
#include "observatory/ingest/ingest_stats.h"
#include "observatory/ingest/otlp.h"
#include "telemetry/sink.h"

namespace enclave::observatory::ingest {

enum class OtlpSignal : std::uint8_t { kTraces, kMetrics, kLogs };
enum class OtlpFormat : std::uint8_t { kProtobuf, kJson };

struct ReceiverOptions {
  // Of one body after decompression; more is answered with 413 or RESOURCE_EXHAUSTED.
  std::size_t max_body_bytes = 64 << 20;
  // Over everything that is in memory for all requests; more is answered with 429.
  std::size_t max_in_flight_bytes = 256 << 20;
  // What clients are told to wait when the store is overloaded or its disk is full.
  std::chrono::seconds retry_after{2};
  OtlpOptions otlp{};
};

// OTLP's partial success: how many spans, data points or records were refused, and why the first
// was.
struct OtlpReply {
  std::size_t rejected = 0;
  std::string message{};
};
// As Export*ServiceResponse, which has the same numbers for every signal.
std::string ToProtobuf(const OtlpReply& reply);

class Receiver {
 public:
  Receiver(telemetry::Sink& sink, ReceiverOptions options, const base::Clock& clock);
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  net::Response HandleOtlp(OtlpSignal signal, const net::Request& request);
  net::Response HandleRemoteWrite(const net::Request& request);
  net::Response HandleLokiPush(const net::Request& request);

  // One OTLP request that came by gRPC, compressed (gzip or deflate) or not, counted.
  base::Result<OtlpReply> ExportGrpc(OtlpSignal signal, std::string_view message);

  const ReceiverOptions& options() const { return options_; }
  const IngestStats& stats() const { return stats_; }
  std::size_t in_flight_bytes() const { return budget_.used(); }

 private:
  base::Result<OtlpReply> Export(OtlpSignal signal, OtlpFormat format, std::string_view body,
                                 ByteBudget::Hold& hold, ProtocolStats& stats);
  base::Result<OtlpReply> ExportHttp(OtlpSignal signal, OtlpFormat format,
                                     const net::Request& request);
  // How many of the batch's items were refused.
  base::Result<telemetry::Refused> Write(telemetry::Batch batch, ProtocolStats& stats);
  base::Result<net::Response> RemoteWriteBody(const net::Request& request);
  base::Result<std::string> LokiPushBody(const net::Request& request);

  telemetry::Sink& sink_;
  const ReceiverOptions options_;
  const base::Clock& clock_;
  ByteBudget budget_;
  IngestStats stats_;
};

}  // namespace enclave::observatory::ingest
