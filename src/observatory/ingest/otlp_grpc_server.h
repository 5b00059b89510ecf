// OTLP over gRPC: the Export calls of TraceService, MetricsService and LogsService, and the
// standard health service. gRPC's threads read and write; blocking work is done by a few threads of
// the server's own, behind a bounded queue.
//
// A full queue, the receiver's bound of memory and an overloaded store are answered with
// RESOURCE_EXHAUSTED and google.rpc.RetryInfo, a full disk with UNAVAILABLE and RetryInfo, refused
// items with partial success. Messages are decompressed here, not by gRPC, whose bound counts bytes
// before it decompresses.
//
// Thread safety: any thread. The receiver outlives the server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "observatory/ingest/receiver.h"

namespace enclave::observatory::ingest {

struct OtlpGrpcServerOptions {
  std::string address = "127.0.0.1:0";  // port 0: the system chooses
  std::size_t workers = 4;
  std::size_t max_queued = 64;  // calls that wait for a worker
  // What calls that are running have to end when the server stops; then they are cancelled.
  std::chrono::milliseconds stop_grace{5'000};
};

class OtlpGrpcServer {
 public:
  // kUnavailable when the address cannot be bound.
  static base::Result<std::unique_ptr<OtlpGrpcServer>> Start(Receiver& receiver,
                                                             OtlpGrpcServerOptions options);
  // Says in its health that it stops, takes no more calls, and waits for those that run.
  virtual ~OtlpGrpcServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace enclave::observatory::ingest
