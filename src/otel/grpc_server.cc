#include "otel/grpc_server.h"

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/quote.h"
#include "otel/exception.h"
#include "otel/grpc_metadata.h"
#include "otel/grpc_status.h"

namespace enclave::otel {
namespace {

// Takes new calls while the threads are at work, so that a deadline that passes is noticed.
constexpr int kWaitingCalls = 16;

std::string_view View(const grpc::string_ref& text) {
  return {text.data(), text.size()};
}

// What is left until the caller's deadline; nullopt when it has none.
std::optional<base::Duration> TimeLeft(const grpc::ServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC),
                                         gpr_now(GPR_CLOCK_MONOTONIC));
  return std::chrono::seconds(left.tv_sec) + std::chrono::nanoseconds(left.tv_nsec);
}

// "ipv4:127.0.0.1:51234" -> "127.0.0.1"
std::string PeerAddress(const std::string& peer) {
  const std::size_t begin = peer.find(':');
  const std::size_t end = peer.rfind(':');
  if (begin == std::string::npos || end <= begin) return peer;
  return peer.substr(begin + 1, end - begin - 1);
}

bool IsServerFault(grpc::StatusCode code) {
  return code == grpc::UNKNOWN || code == grpc::DEADLINE_EXCEEDED || code == grpc::UNIMPLEMENTED ||
         code == grpc::INTERNAL || code == grpc::UNAVAILABLE || code == grpc::DATA_LOSS;
}

}  // namespace

struct GrpcServer::Impl {
  struct Method {
    std::string service;
    std::string method;
    AnyHandler handler;
  };

  // One call, from being asked for to its end. Its address is the tag of all its operations, of
  // which one is under way at a time.
  struct RpcCall {
    explicit RpcCall(Impl& server) : impl(server), stream(&context) {}
    Impl& impl;
    grpc::GenericServerContext context;
    grpc::GenericServerAsyncReaderWriter stream;
    grpc::ByteBuffer message;
    enum class Next { kArrive, kHandle, kEnd } next = Next::kArrive;
  };

  Impl(Telemetry& t, GrpcServerOptions o) : telemetry(t), options(std::move(o)) {}

  // Nothing is asked of a queue that may be shut down meanwhile.
  void AskForCall() {
    const std::lock_guard lock(mutex);
    if (stopping) return;
    auto* call = new RpcCall(*this);
    generic.RequestCall(&call->context, &call->stream, queue.get(), queue.get(), call);
  }

  // Until the queue is shut down and empty.
  void Work() {
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      auto* call = static_cast<RpcCall*>(tag);
      switch (call->next) {
        case RpcCall::Next::kArrive:
          if (!ok) {  // the server stops
            delete call;
            break;
          }
          Arrived();
          AskForCall();
          call->next = RpcCall::Next::kHandle;
          call->stream.Read(&call->message, call);
          break;
        case RpcCall::Next::kHandle:
          Answer(*call, ok);
          break;
        case RpcCall::Next::kEnd:
          delete call;
          Gone();
          break;
      }
    }
  }

  void Arrived() {
    const std::lock_guard lock(mutex);
    ++calls;
  }

  void Gone() {
    {
      const std::lock_guard lock(mutex);
      --calls;
    }
    no_calls.notify_all();
  }

  void Answer(RpcCall& call, bool has_message) {
    grpc::ByteBuffer answer;
    grpc::Status status =
        has_message ? Handle(call, answer)
                    : grpc::Status(grpc::INVALID_ARGUMENT, "the call came without a message");
    call.next = RpcCall::Next::kEnd;
    if (status.ok()) {
      call.stream.WriteAndFinish(answer, grpc::WriteOptions(), status, &call);
    } else {
      call.stream.Finish(status, &call);
    }
  }

  // The span, the current context and the metrics around the handler.
  grpc::Status Handle(RpcCall& call, grpc::ByteBuffer& answer) {
    const auto found = methods.find(call.context.method());
    const std::string name = found == methods.end()
                                 ? std::string("unknown method")
                                 : found->second.service + "/" + found->second.method;
    Attributes attributes = {{"rpc.system", "grpc"}};
    if (found != methods.end()) {
      attributes.push_back({"rpc.service", found->second.service});
      attributes.push_back({"rpc.method", found->second.method});
    }
    SpanOptions span_options{.kind = SpanKind::kServer,
                             .parent = ExtractFromMetadata(call.context.client_metadata()),
                             .attributes = attributes};
    span_options.new_trace = !span_options.parent;
    span_options.attributes.push_back({"client.address", PeerAddress(call.context.peer())});
    const auto& metadata = call.context.client_metadata();
    if (const auto attempts = metadata.find("grpc-previous-rpc-attempts");
        attempts != metadata.end())
      span_options.attributes.push_back(
          {"rpc.grpc.previous_attempts", std::string(View(attempts->second))});

    active->Add(1);
    ScopedSpan span(telemetry.tracer(), name, std::move(span_options));
    const base::Duration left = TimeLeft(call.context).value_or(options.default_timeout);
    const ScopedContext scope(
        Context{.span = *span->context(), .deadline = telemetry.clock().Now() + left});
    grpc::Status status;
    if (found == methods.end()) {
      status = grpc::Status(grpc::UNIMPLEMENTED, fmt::format("there is no method {}",
                                                             base::Quote(call.context.method())));
    } else if (left <= base::Duration::zero()) {
      status = grpc::Status(grpc::DEADLINE_EXCEEDED,
                            "the deadline passed while the call waited for a thread");
    } else {
      status = Run(found->second, call, answer, *span);
    }
    Record(*span, attributes, status);
    active->Add(-1);
    return status;
  }

  grpc::Status Run(const Method& method, RpcCall& call, grpc::ByteBuffer& answer, Span& span) {
    try {
      auto response = method.handler([&](google::protobuf::MessageLite& request) {
        return ParseMessage(call.message, request);
      });
      if (!response) return ToStatus(response.error());
      return WriteMessage(**response, answer);
    } catch (...) {
      const ExceptionInfo exception = DescribeCurrentException();
      span.RecordException(exception);
      telemetry.logger().Exception(
          "a call failed with an exception", exception,
          {{"rpc.service", method.service}, {"rpc.method", method.method}});
      return grpc::Status(grpc::INTERNAL, fmt::format("{}: {}", exception.type, exception.message));
    }
  }

  static base::Result<> ParseMessage(grpc::ByteBuffer& bytes,
                                     google::protobuf::MessageLite& request) {
    grpc::ProtoBufferReader reader(&bytes);
    if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader))
      return base::Fail(base::ErrorKind::kInvalidArgument,
                        fmt::format("the message is no {}", request.GetTypeName()));
    return {};
  }

  static grpc::Status WriteMessage(const google::protobuf::MessageLite& response,
                                   grpc::ByteBuffer& answer) {
    grpc::ByteBuffer buffer;
    {
      grpc::ProtoBufferWriter writer(&buffer, grpc::kProtoBufferWriterMaxBufferLength,
                                     static_cast<int>(response.ByteSizeLong()));
      if (!response.SerializeToZeroCopyStream(&writer))
        return grpc::Status(grpc::INTERNAL, "the answer cannot be written");
    }
    answer.Swap(&buffer);
    return grpc::Status::OK;
  }

  void Record(Span& span, Attributes attributes, const grpc::Status& status) {
    const auto code = static_cast<std::int64_t>(status.error_code());
    span.SetAttribute("rpc.grpc.status_code", code);
    attributes.push_back({"rpc.grpc.status_code", code});
    if (!status.ok()) {
      if (!span.failed()) {
        span.SetAttribute("error.type", std::string(CodeName(status.error_code())));
        // A caller's mistake is no error of the server, by the semantic conventions of RPC.
        if (IsServerFault(status.error_code()))
          span.SetStatus(SpanStatus::kError, status.error_message());
        telemetry.logger().Log(
            IsServerFault(status.error_code()) ? Severity::kError : Severity::kWarn,
            status.error_message(),
            {{"rpc.service", Text(attributes, "rpc.service")},
             {"rpc.method", Text(attributes, "rpc.method")},
             {"rpc.grpc.status", std::string(CodeName(status.error_code()))}});
      }
    }
    const std::chrono::duration<double> elapsed = span.Elapsed();
    telemetry.meter()
        .DurationHistogram("rpc.server.duration", "Time to answer a call")
        .Record(elapsed.count(), attributes);
  }

  static std::string Text(const Attributes& attributes, std::string_view key) {
    const auto* value = telemetry::Find(attributes, key);
    return value == nullptr ? std::string() : telemetry::ToText(*value);
  }

  Telemetry& telemetry;
  const GrpcServerOptions options;
  std::map<std::string, Method> methods;  // by "/package.Service/Method"
  grpc::AsyncGenericService generic;
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  std::unique_ptr<grpc::Server> server;
  std::vector<std::thread> threads;
  Counter* active = nullptr;  // the meter's
  int port = 0;

  std::mutex mutex;
  std::condition_variable no_calls;
  bool stopping = false;
  int calls = 0;  // that have arrived and not ended
};

GrpcServer::GrpcServer(Telemetry& telemetry, GrpcServerOptions options)
    : impl_(std::make_unique<Impl>(telemetry, std::move(options))) {}

GrpcServer::~GrpcServer() {
  Stop({});
}

void GrpcServer::AddHandler(const std::string& service, const std::string& method,
                            AnyHandler handler) {
  CHECK(!impl_->server, "handlers are added before the start");
  impl_->methods.emplace(fmt::format("/{}/{}", service, method),
                         Impl::Method{service, method, std::move(handler)});
}

base::Result<> GrpcServer::Start() {
  static const bool health_enabled = [] {
    grpc::EnableDefaultHealthCheckService(true);
    return true;
  }();
  (void)health_enabled;
  grpc::ServerBuilder builder;
  const int max_bytes =
      static_cast<int>(std::min<std::size_t>(impl_->options.max_message_bytes, 1 << 30));
  builder.AddListeningPort(impl_->options.address, grpc::InsecureServerCredentials(), &impl_->port);
  builder.RegisterAsyncGenericService(&impl_->generic);
  builder.SetMaxReceiveMessageSize(max_bytes);
  builder.SetMaxSendMessageSize(max_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             impl_->options.max_concurrent_streams);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients of ours ping every 30 s.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  impl_->queue = builder.AddCompletionQueue();
  impl_->server = builder.BuildAndStart();
  if (!impl_->server || impl_->port == 0) {
    impl_->queue->Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (impl_->queue->Next(&tag, &ok)) {
    }
    impl_->queue.reset();
    return base::Fail(base::ErrorKind::kUnavailable,
                      fmt::format("listening on {}: the address is in use or not of this machine",
                                  impl_->options.address));
  }
  impl_->active = &impl_->telemetry.meter().CreateUpDownCounter(
      {"rpc.server.active_requests", "{request}", "Calls being handled"});
  for (int i = 0; i < kWaitingCalls; ++i) impl_->AskForCall();
  for (int i = 0; i < impl_->options.threads; ++i)
    impl_->threads.emplace_back([impl = impl_.get()] {
      pthread_setname_np(pthread_self(), "grpc-handler");
      impl->Work();
    });
  SetServing(true);
  return {};
}

int GrpcServer::port() const {
  return impl_->port;
}

void GrpcServer::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health =
      impl_->server ? impl_->server->GetHealthCheckService() : nullptr;
  if (health == nullptr) return;
  health->SetServingStatus(serving);
  std::set<std::string> services;
  for (const auto& [path, method] : impl_->methods) services.insert(method.service);
  for (const std::string& service : services) health->SetServingStatus(service, serving);
}

void GrpcServer::Stop(std::chrono::milliseconds grace) {
  if (!impl_->server) return;
  SetServing(false);
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                       gpr_time_from_millis(grace.count(), GPR_TIMESPAN)));
  {
    // A handler that goes on after its call was cancelled still has its last words to say.
    std::unique_lock lock(impl_->mutex);
    impl_->no_calls.wait(lock, [this] { return impl_->calls == 0; });
  }
  impl_->queue->Shutdown();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  impl_->server.reset();
  impl_->queue.reset();
}

}  // namespace enclave::otel
