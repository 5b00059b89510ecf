// A gRPC server for unary calls on a fixed number of threads, with everything a good service has
// around its handlers: a server span from the caller's trace, rpc.* attributes,
// rpc.server.duration, the caller's deadline for all that the handler calls in turn, exceptions
// recorded (span, log) and answered INTERNAL, health checks (grpc.health.v1), an end with grace.
//
//   GrpcServer server(telemetry, {.address = "127.0.0.1:7000"});
//   server.Handle<Money, CurrencyConversionRequest>("hipstershop.CurrencyService", "Convert",
//       [&](const CurrencyConversionRequest& request) -> base::Result<Money> { ... });
//   RETURN_IF_ERROR(server.Start());
//   ...
//   server.Stop(std::chrono::seconds(5));
//
// One completion queue feeds the threads; calls beyond the threads wait in it, and one whose
// deadline passes while it waits is answered DEADLINE_EXCEEDED without being handled.
//
// Thread safety: Handle before Start, on one thread; handlers run concurrently. Ownership: the
// Telemetry outlives the server, the server its handlers' calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <google/protobuf/message_lite.h>

#include "base/result.h"
#include "otel/telemetry.h"

namespace enclave::otel {

struct GrpcServerOptions {
  std::string address = "127.0.0.1:0";  // port 0: the system chooses
  int threads = 4;
  std::size_t max_message_bytes = 4 << 20;
  int max_concurrent_streams = 128;  // of one connection
  // For callers that set no deadline.
  std::chrono::milliseconds default_timeout{10'000};
};

class GrpcServer {
 public:
  GrpcServer(Telemetry& telemetry, GrpcServerOptions options);
  // As Stop with no grace.
  ~GrpcServer();

  // The error's kind decides the status: kInvalidArgument is INVALID_ARGUMENT and so on.
  template <typename Response, typename Request>
  void Handle(const std::string& service, const std::string& method,
              std::function<base::Result<Response>(const Request&)> handler) {
    AddHandler(service, method,
               [handler = std::move(handler)](const Parser& parse)
                   -> base::Result<std::unique_ptr<google::protobuf::MessageLite>> {
                 Request request;
                 RETURN_IF_ERROR(parse(request));
                 ASSIGN_OR_RETURN(Response response, handler(request));
                 return std::make_unique<Response>(std::move(response));
               });
  }

  // Binds, serves, and answers health checks with SERVING, for "" and for every service.
  // kUnavailable when the address cannot be bound.
  base::Result<> Start();
  int port() const;
  // Health checks of the whole server and of each service from now on.
  void SetServing(bool serving);
  // Health checks say NOT_SERVING, no new calls are taken, those under way have `grace` to end and
  // are cancelled then. Idempotent.
  void Stop(std::chrono::milliseconds grace);

 private:
  using Parser = std::function<base::Result<>(google::protobuf::MessageLite&)>;
  using AnyHandler =
      std::function<base::Result<std::unique_ptr<google::protobuf::MessageLite>>(const Parser&)>;
  void AddHandler(const std::string& service, const std::string& method, AnyHandler handler);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace enclave::otel
