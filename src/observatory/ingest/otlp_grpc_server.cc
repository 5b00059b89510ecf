#include "observatory/ingest/otlp_grpc_server.h"

#include <climits>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "base/quote.h"
#include "observatory/ingest/rpc_status.h"
#include "opentelemetry/logs_service.grpc.pb.h"
#include "opentelemetry/metrics_service.grpc.pb.h"
#include "opentelemetry/trace_service.grpc.pb.h"
#include "telemetry/workers.h"

namespace enclave::observatory::ingest {
namespace {

grpc::Status StatusOf(const base::Error& error, std::chrono::seconds retry_after) {
  const RpcStatus status = ToRpcStatus(error, retry_after);
  // The details stand in the trailer as the whole google.rpc.Status.
  return {static_cast<grpc::StatusCode>(status.code), status.message, ToProtobuf(status)};
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

constexpr int kMaxStreams = 1024;

// One of the three services; they differ in their names and in what they carry.
template <typename Service>
class ExportService final
    : public Service::template WithRawCallbackMethod_Export<typename Service::Service> {
 public:
  ExportService(OtlpSignal signal, Receiver& receiver, telemetry::Workers& workers)
      : signal_(signal), receiver_(receiver), workers_(workers) {}

  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool taken = workers_.Submit([this, context, request, response, reactor] {
      reactor->Finish(Answer(*context, *request, *response));
    });
    if (!taken) {
      reactor->Finish(StatusOf(
          base::Error(base::ErrorKind::kResourceExhausted, "too many calls wait; send again later"),
          receiver_.options().retry_after));
    }
    return reactor;
  }

 private:
  grpc::Status Answer(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                      grpc::ByteBuffer& response) {
    // Nobody waits for the answer, but whoever cancelled will send the same again.
    if (context.IsCancelled()) return grpc::Status::CANCELLED;
    grpc::Slice slice;
    if (!request.TrySingleSlice(&slice).ok()) {
      if (const grpc::Status dumped = request.DumpToSingleSlice(&slice); !dumped.ok())
        return dumped;
    }
    const auto reply =
        receiver_.ExportGrpc(signal_, {reinterpret_cast<const char*>(slice.begin()), slice.size()});
    if (!reply) return StatusOf(reply.error(), receiver_.options().retry_after);
    response = BufferOf(ToProtobuf(*reply));
    return grpc::Status::OK;
  }

  const OtlpSignal signal_;
  Receiver& receiver_;
  telemetry::Workers& workers_;
};

class Server final : public OtlpGrpcServer {
 public:
  Server(Receiver& receiver, OtlpGrpcServerOptions options)
      : options_(std::move(options)),
        workers_("otlp-work", static_cast<int>(options_.workers), options_.max_queued),
        traces_(OtlpSignal::kTraces, receiver, workers_),
        metrics_(OtlpSignal::kMetrics, receiver, workers_),
        logs_(OtlpSignal::kLogs, receiver, workers_),
        receiver_(receiver) {}

  ~Server() override {
    if (server_ == nullptr) return;
    if (auto* health = server_->GetHealthCheckService()) health->Shutdown();
    server_->Shutdown(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(options_.stop_grace.count(), GPR_TIMESPAN)));
    server_->Wait();
  }

  base::Result<> Start() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort(options_.address, grpc::InsecureServerCredentials(), &port_);
    // Otherwise a second server takes the same port, and half of the calls.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    // Of one connection. More than may wait here, or the client holds calls back that should be
    // told to come later.
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
    const ReceiverOptions& bounds = receiver_.options();
    builder.SetMaxReceiveMessageSize(
        static_cast<int>(std::min<std::size_t>(bounds.max_body_bytes, INT_MAX)));
    grpc::ResourceQuota quota("otlp");
    quota.Resize(bounds.max_in_flight_bytes);
    builder.SetResourceQuota(quota);
    builder.RegisterService(&traces_);
    builder.RegisterService(&metrics_);
    builder.RegisterService(&logs_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0)
      return base::Fail(base::ErrorKind::kUnavailable,
                        fmt::format("listening for OTLP over gRPC on {}: the address cannot be "
                                    "bound; choose another with --otlp-grpc",
                                    base::Quote(options_.address)));
    auto* health = server_->GetHealthCheckService();
    for (const char* service : {collector::trace::v1::TraceService::service_full_name(),
                                collector::metrics::v1::MetricsService::service_full_name(),
                                collector::logs::v1::LogsService::service_full_name()})
      health->SetServingStatus(service, true);
    return {};
  }

  std::uint16_t port() const override { return static_cast<std::uint16_t>(port_); }

 private:
  const OtlpGrpcServerOptions options_;
  telemetry::ThreadWorkers workers_;
  ExportService<collector::trace::v1::TraceService> traces_;
  ExportService<collector::metrics::v1::MetricsService> metrics_;
  ExportService<collector::logs::v1::LogsService> logs_;
  Receiver& receiver_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;  // first to go
};

}  // namespace

base::Result<std::unique_ptr<OtlpGrpcServer>> OtlpGrpcServer::Start(Receiver& receiver,
                                                                    OtlpGrpcServerOptions options) {
  auto server = std::make_unique<Server>(receiver, std::move(options));
  RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace enclave::observatory::ingest
