// Real clients of gRPC against the server, over a real connection.
#include "observatory/ingest/otlp_grpc_server.h"

#include <atomic>
#include <functional>
#include <future>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "base/simulated_executor.h"
#include "observatory/ingest/ingest_testing.h"
#include "observatory/ingest/otlp_testing.h"
#include "opentelemetry/logs_service.grpc.pb.h"
#include "opentelemetry/metrics_service.grpc.pb.h"
#include "opentelemetry/trace_service.grpc.pb.h"

namespace enclave::observatory::ingest {
namespace {

using base::ErrorKind;
using collector::trace::v1::ExportTraceServiceResponse;
using testing::HasSubstr;

class OtlpGrpcServerTest : public testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(OtlpGrpcServerOptions options) {
    server_.reset();
    auto server = OtlpGrpcServer::Start(receiver_, std::move(options));
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", server_->port()),
                                         grpc::InsecureChannelCredentials(), arguments);
    traces_ = collector::trace::v1::TraceService::NewStub(channel_);
  }

  grpc::Status Export(const TracesRequest& request, ExportTraceServiceResponse* response,
                      grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    grpc::ClientContext context;
    context.set_compression_algorithm(compression);
    return traces_->Export(&context, request, response);
  }
  static TracesRequest Spans(int count) {
    TracesRequest request;
    auto& scope = *request.add_resource_spans()->add_scope_spans();
    for (int i = 0; i < count; ++i) {
      auto& span = *scope.add_spans();
      span.set_trace_id(kTraceBytes);
      span.set_span_id(kSpanBytes);
      span.set_start_time_unix_nano(1'700'000'000'000'000'000);
    }
    return request;
  }

  RecordingSink sink_;
  base::SimulatedExecutor clock_;
  Receiver receiver_{sink_,
                     {.max_body_bytes = 1 << 20,
                      .max_in_flight_bytes = 64 << 20,
                      .retry_after = std::chrono::seconds(7)},
                     clock_};
  std::unique_ptr<OtlpGrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<collector::trace::v1::TraceService::Stub> traces_;
};

TEST_F(OtlpGrpcServerTest, AllSignalsArrive) {
  ExportTraceServiceResponse traces;
  const grpc::Status status = Export(Spans(2), &traces);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(traces.has_partial_success());

  MetricsRequest metrics;
  auto& metric = *metrics.add_resource_metrics()->add_scope_metrics()->add_metrics();
  metric.set_name("m");
  metric.mutable_gauge()->add_data_points()->set_time_unix_nano(1'000'000);
  metric.mutable_gauge()->add_data_points();
  collector::metrics::v1::ExportMetricsServiceResponse metrics_reply;
  grpc::ClientContext metrics_context;
  EXPECT_TRUE(collector::metrics::v1::MetricsService::NewStub(channel_)
                  ->Export(&metrics_context, metrics, &metrics_reply)
                  .ok());
  EXPECT_EQ(metrics_reply.partial_success().rejected_data_points(), 1);
  EXPECT_THAT(metrics_reply.partial_success().error_message(), HasSubstr("1 of 2 data points"));

  LogsRequest logs;
  logs.add_resource_logs()->add_scope_logs()->add_log_records();
  collector::logs::v1::ExportLogsServiceResponse logs_reply;
  grpc::ClientContext logs_context;
  EXPECT_TRUE(collector::logs::v1::LogsService::NewStub(channel_)
                  ->Export(&logs_context, logs, &logs_reply)
                  .ok());
  EXPECT_EQ(sink_.spans.size(), 2u);
  EXPECT_EQ(sink_.series.size(), 1u);
  EXPECT_EQ(sink_.streams.size(), 1u);
  EXPECT_EQ(receiver_.stats().of(Protocol::kOtlpGrpc).requests, 3u);
}

TEST_F(OtlpGrpcServerTest, CompressedMessagesAreTaken) {
  for (const auto compression : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    ExportTraceServiceResponse response;
    const grpc::Status status = Export(Spans(500), &response, compression);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  EXPECT_EQ(sink_.spans.size(), 1000u);
  const ProtocolStats& stats = receiver_.stats().of(Protocol::kOtlpGrpc);
  EXPECT_LT(stats.wire_bytes, stats.body_bytes / 10) << "they really came compressed";
}

TEST_F(OtlpGrpcServerTest, TheBoundHoldsAfterDecompression) {
  TracesRequest request = Spans(1);
  Set(request.mutable_resource_spans(0)->mutable_resource()->mutable_attributes(), "zeros",
      std::string(3 << 20, '0'));
  ExportTraceServiceResponse response;
  const grpc::Status compressed = Export(request, &response, GRPC_COMPRESS_GZIP);
  EXPECT_EQ(compressed.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(compressed.error_message(), HasSubstr("larger than 1048576 bytes"));
  const std::string bytes = compressed.error_details();
  protozero::pbf_reader details(bytes);
  while (details.next()) {
    EXPECT_NE(details.tag(), 3u) << "no RetryInfo: it never fits";
    details.skip();
  }
  EXPECT_EQ(Export(request, &response).error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(sink_.writes, 0);
}

std::optional<std::int64_t> RetrySeconds(const grpc::Status& status) {
  const std::string bytes = status.error_details();
  protozero::pbf_reader details(bytes);
  while (details.next()) {
    if (details.tag() != 3) {
      details.skip();
      continue;
    }
    protozero::pbf_reader any = details.get_message();
    if (!any.next(1) || any.get_string() != "type.googleapis.com/google.rpc.RetryInfo") return {};
    if (!any.next(2)) return {};
    protozero::pbf_reader info = any.get_message();
    if (!info.next(1)) return {};
    protozero::pbf_reader delay = info.get_message();
    if (!delay.next(1)) return {};
    return delay.get_int64();
  }
  return {};
}

TEST_F(OtlpGrpcServerTest, OverloadAndAFullDiskCarryRetryInfo) {
  ExportTraceServiceResponse response;
  sink_.answer = base::Fail(ErrorKind::kResourceExhausted, "the write queue is full");
  const grpc::Status busy = Export(Spans(1), &response);
  EXPECT_EQ(busy.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(busy.error_message(), "the write queue is full");
  EXPECT_EQ(RetrySeconds(busy), 7);
  sink_.answer = base::Fail(ErrorKind::kUnavailable, "the disk is full");
  const grpc::Status full = Export(Spans(1), &response);
  EXPECT_EQ(full.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(RetrySeconds(full), 7);
}

// Holds writers until it is opened.
class Gate final : public telemetry::Sink {
 public:
  base::Result<telemetry::Refused> Write(telemetry::Batch batch) override {
    spans += batch.spans.size();
    if (entered) std::exchange(entered, nullptr)();
    opened.wait();
    return telemetry::Refused{};
  }
  std::function<void()> entered;
  std::promise<void> open;
  std::shared_future<void> opened = open.get_future().share();
  std::size_t spans = 0;
};

TEST_F(OtlpGrpcServerTest, CallsBeyondTheQueueAreTurnedAwayAndStopWaitsForTheRest) {
  Gate gate;
  std::promise<void> entered;
  gate.entered = [&] { entered.set_value(); };
  Receiver receiver(gate, {.retry_after = std::chrono::seconds(7)}, clock_);
  auto server = OtlpGrpcServer::Start(receiver, {.workers = 1, .max_queued = 1});
  ASSERT_TRUE(server) << server.error().message();
  const auto channel = grpc::CreateChannel(fmt::format("127.0.0.1:{}", (*server)->port()),
                                           grpc::InsecureChannelCredentials());
  const auto stub = collector::trace::v1::TraceService::NewStub(channel);
  struct Call {
    grpc::ClientContext context;
    TracesRequest request = Spans(1);
    ExportTraceServiceResponse response;
    std::promise<grpc::Status> done;
    std::future<grpc::Status> status = done.get_future();
  };
  std::atomic<int> answers = 0;
  std::promise<Call*> first_answer;
  const auto start = [&](Call& call) {
    stub->async()->Export(&call.context, &call.request, &call.response, [&](grpc::Status status) {
      call.done.set_value(std::move(status));
      if (++answers == 1) first_answer.set_value(&call);
    });
  };
  Call running;
  start(running);
  entered.get_future().get();
  // Of these two, one waits in the queue and the other finds it full.
  Call second;
  Call third;
  start(second);
  start(third);
  Call* turned_away = first_answer.get_future().get();
  ASSERT_NE(turned_away, &running);
  const grpc::Status refused = turned_away->status.get();
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RetrySeconds(refused), 7);
  // While the server stops, what it took is finished.
  std::future<void> stopped = std::async(std::launch::async, [&] { server->reset(); });
  gate.open.set_value();
  stopped.get();
  EXPECT_TRUE(running.status.get().ok());
  Call& queued = turned_away == &second ? third : second;
  EXPECT_TRUE(queued.status.get().ok());
  EXPECT_EQ(gate.spans, 2u);
}

TEST_F(OtlpGrpcServerTest, BrokenMessagesAreTheSendersFault) {
  grpc::GenericStub stub(channel_);
  for (const std::string& bytes : {std::string("\x0a\xff"), std::string("\x1f\x8b\x08 broken"),
                                   std::string("\x78\x9c broken")}) {
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", {},
                   &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << status.error_message();
  }
}

TEST_F(OtlpGrpcServerTest, HealthIsServed) {
  grpc::GenericStub stub(channel_);
  const auto check = [&](const std::string& service) {
    std::string bytes;
    protozero::pbf_writer(bytes).add_string(1, service);
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::ClientContext context;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                   [&](grpc::Status status) { done.set_value(std::move(status)); });
    if (!done.get_future().get().ok()) return -1;
    grpc::Slice answer;
    EXPECT_TRUE(response.DumpToSingleSlice(&answer).ok());
    protozero::pbf_reader reader(reinterpret_cast<const char*>(answer.begin()), answer.size());
    return reader.next(1) ? reader.get_enum() : 0;
  };
  EXPECT_EQ(check(""), 1) << "SERVING";
  EXPECT_EQ(check("opentelemetry.proto.collector.trace.v1.TraceService"), 1);
  EXPECT_EQ(check("no.such.Service"), -1);
}

TEST_F(OtlpGrpcServerTest, AnAddressThatIsTakenIsAnError) {
  const auto second =
      OtlpGrpcServer::Start(receiver_, {.address = fmt::format("127.0.0.1:{}", server_->port())});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr("--otlp-grpc"));
  EXPECT_FALSE(OtlpGrpcServer::Start(receiver_, {.address = "nonsense:port"}));
}

}  // namespace
}  // namespace enclave::observatory::ingest
