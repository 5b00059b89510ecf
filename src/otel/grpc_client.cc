#include "otel/grpc_client.h"

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_interceptor.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "otel/grpc_metadata.h"

namespace enclave::otel {
namespace {

// "/package.Service/Method" without the first slash, and its two halves.
struct RpcName {
  std::string whole;
  std::string service;
  std::string method;
};

RpcName SplitRpcName(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {std::string(path), "", std::string(path)};
  return {std::string(path), std::string(path.substr(0, slash)),
          std::string(path.substr(slash + 1))};
}

// One call: its span begins on the calling thread and ends with the status.
class ClientSpanInterceptor final : public grpc::experimental::Interceptor {
 public:
  ClientSpanInterceptor(Telemetry& telemetry, const Attributes& server, std::string_view path)
      : telemetry_(telemetry) {
    const RpcName name = SplitRpcName(path);
    attributes_ = {
        {"rpc.system", "grpc"}, {"rpc.service", name.service}, {"rpc.method", name.method}};
    SpanOptions options{.kind = SpanKind::kClient, .attributes = attributes_};
    options.attributes.insert(options.attributes.end(), server.begin(), server.end());
    if (const std::source_location* site = ScopedCallSite::Current()) {
      const Attributes& code = CodeAttributes(*site);
      options.attributes.insert(options.attributes.end(), code.begin(), code.end());
    }
    span_ = telemetry.tracer().StartSpan(name.whole, std::move(options));
  }

  // A call that was given up before its status came.
  ~ClientSpanInterceptor() override {
    if (span_.context() != nullptr) End(grpc::Status(grpc::CANCELLED, "the call was given up"));
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA) &&
        span_.context() != nullptr)
      InjectIntoMetadata(ToTraceContext(*span_.context()), *methods->GetSendInitialMetadata());
    if (methods->QueryInterceptionHookPoint(Hook::POST_RECV_STATUS)) End(*methods->GetRecvStatus());
    methods->Proceed();
  }

 private:
  void End(const grpc::Status& status) {
    if (span_.context() == nullptr) return;
    const auto code = static_cast<std::int64_t>(status.error_code());
    span_.SetAttribute("rpc.grpc.status_code", code);
    attributes_.push_back({"rpc.grpc.status_code", code});
    if (!status.ok()) {
      span_.SetAttribute("error.type", std::string(CodeName(status.error_code())));
      span_.SetStatus(SpanStatus::kError, status.error_message());
    }
    const std::chrono::duration<double> elapsed = span_.Elapsed();
    telemetry_.meter()
        .DurationHistogram("rpc.client.duration", "Time until a call was answered")
        .Record(elapsed.count(), attributes_, span_.context());
    span_.End();
  }

  Telemetry& telemetry_;
  Attributes attributes_;
  Span span_;
};

class ClientSpanFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  ClientSpanFactory(Telemetry& telemetry, const std::string& address) : telemetry_(telemetry) {
    const std::size_t colon = address.rfind(':');
    server_.push_back({"server.address", address.substr(0, colon)});
    std::int64_t port = 0;
    if (colon != std::string::npos &&
        std::from_chars(address.data() + colon + 1, address.data() + address.size(), port).ec ==
            std::errc())
      server_.push_back({"server.port", port});
  }
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return new ClientSpanInterceptor(telemetry_, server_, info->method());
  }

 private:
  Telemetry& telemetry_;
  Attributes server_;
};

// https://github.com/grpc/grpc/blob/master/doc/service_config.md
std::string ServiceConfig(const std::vector<std::string>& idempotent) {
  nlohmann::json names = nlohmann::json::array();
  for (const std::string& name : idempotent) {
    const std::size_t slash = name.find('/');
    nlohmann::json entry = {{"service", name.substr(0, slash)}};
    if (slash != std::string::npos) entry["method"] = name.substr(slash + 1);
    names.push_back(std::move(entry));
  }
  const nlohmann::json config = {{"methodConfig",
                                  {{{"name", names},
                                    {"retryPolicy",
                                     {{"maxAttempts", 4},
                                      {"initialBackoff", "0.05s"},
                                      {"maxBackoff", "1s"},
                                      {"backoffMultiplier", 3},
                                      // CANCELLED: what arrives at a server after it began to
                                      // end is dropped by it in this way. Our own cancelled
                                      // calls are over and not tried again.
                                      {"retryableStatusCodes", {"UNAVAILABLE", "CANCELLED"}}}}}}},
                                 // Once most calls fail, retries would only add to the load.
                                 {"retryThrottling", {{"maxTokens", 20}, {"tokenRatio", 0.2}}}};
  return config.dump();
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(Telemetry& telemetry, const GrpcClientOptions& options) {
  grpc::ChannelArguments arguments;
  const int max_bytes = static_cast<int>(std::min<std::size_t>(options.max_message_bytes, 1 << 30));
  arguments.SetMaxReceiveMessageSize(max_bytes);
  arguments.SetMaxSendMessageSize(max_bytes);
  if (!options.idempotent.empty())
    arguments.SetServiceConfigJSON(ServiceConfig(options.idempotent));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  // Each client has its own connection: one that is broken breaks no other.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<ClientSpanFactory>(telemetry, options.address));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      options.address, grpc::InsecureChannelCredentials(), arguments, std::move(interceptors));
}

void SetDeadline(const base::Clock& clock, std::chrono::milliseconds timeout,
                 grpc::ClientContext& context) {
  base::Duration left = timeout;
  if (Current().deadline) left = std::min<base::Duration>(left, *Current().deadline - clock.Now());
  context.set_deadline(gpr_time_from_nanos(std::max<std::int64_t>(left.count(), 0), GPR_TIMESPAN));
}

}  // namespace enclave::otel
