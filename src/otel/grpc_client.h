// Calls to a gRPC service: traced, with a deadline, tried again where that is safe.
//
//   otel::GrpcClient<hipstershop::CurrencyService> currency(telemetry, {.address = "10.0.0.7:7000",
//       .idempotent = {"hipstershop.CurrencyService/Convert"}});
//   auto money = currency.Call(&hipstershop::CurrencyService::Stub::Convert, request);
//
// Every call over the channel has a client span "package.Service/Method" with rpc.* attributes,
// carries traceparent and x-b3-* in its metadata, and is one value of rpc.client.duration. The
// parent is the span that is current on the calling thread. A call through GrpcClient also names
// the line of the program that made it, as code.*: a loop of calls is told from many callers.
//
// Retries: calls named idempotent are sent again, at most three times with back-off, when the
// server answers UNAVAILABLE, or drops the call because it ends (CANCELLED); gRPC itself sends
// those again that never left. A dead connection is noticed by keepalive, and a server that came
// back within about a second.
//
// Thread safety: any thread. Ownership: the Telemetry outlives the client.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "otel/code_location.h"
#include "otel/grpc_status.h"
#include "otel/telemetry.h"

namespace enclave::otel {

struct GrpcClientOptions {
  std::string address;                       // "host:port"
  std::chrono::milliseconds timeout{5'000};  // of a call, unless the current deadline is nearer
  std::vector<std::string> idempotent{};     // "package.Service/Method", or "package.Service"
  std::size_t max_message_bytes = 4 << 20;
};

// Connects lazily; never fails. Spans and metadata are made by an interceptor, so that stubs made
// on the channel by hand are traced too.
std::shared_ptr<grpc::Channel> MakeChannel(Telemetry& telemetry, const GrpcClientOptions& options);

// Sets the deadline: now + timeout, or the current context's where it is nearer.
void SetDeadline(const base::Clock& clock, std::chrono::milliseconds timeout,
                 grpc::ClientContext& context);

template <typename Service>
class GrpcClient {
 public:
  GrpcClient(Telemetry& telemetry, const GrpcClientOptions& options)
      : telemetry_(telemetry),
        timeout_(options.timeout),
        stub_(Service::NewStub(MakeChannel(telemetry, options))) {}

  // Blocks until the answer or the deadline. The error's kind is the status' code.
  template <typename Request, typename Response>
  base::Result<Response> Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                              const Request& request,
                              std::optional<std::chrono::milliseconds> timeout = {},
                              std::source_location where = std::source_location::current()) {
    const ScopedCallSite site(where);
    grpc::ClientContext context;
    SetDeadline(telemetry_.clock(), timeout.value_or(timeout_), context);
    Response response;
    const grpc::Status status = ((*stub_).*method)(&context, request, &response);
    if (!status.ok()) return base::Fail(ToError(status));
    return response;
  }

 private:
  Telemetry& telemetry_;
  std::chrono::milliseconds timeout_;
  std::unique_ptr<typename Service::Stub> stub_;
};

}  // namespace enclave::otel
