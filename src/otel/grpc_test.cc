// Servers and clients of gRPC against each other, in this process and over real connections.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>

#include "hipstershop/demo.grpc.pb.h"
#include "otel/grpc_client.h"
#include "otel/grpc_metadata.h"
#include "otel/grpc_server.h"
#include "otel/test_collector.h"

namespace enclave::otel {
namespace {

using hipstershop::CurrencyConversionRequest;
using hipstershop::CurrencyService;
using hipstershop::Money;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST(GrpcMetadataTest, ATraceGoesThroughMetadata) {
  base::SeededRandom random(1);
  const trace::TraceContext context{.trace_id = trace::TraceId::Make(random),
                                    .parent = trace::SpanId::Make(random),
                                    .sampling = trace::Sampling::kYes,
                                    .trace_state = "a=b"};
  std::multimap<std::string, std::string> sent = {{"traceparent", "old"}, {"other", "kept"}};
  InjectIntoMetadata(context, sent);
  EXPECT_EQ(sent.count("traceparent"), 1u);
  EXPECT_EQ(sent.find("x-b3-traceid")->second, context.trace_id.ToString());
  EXPECT_EQ(sent.find("x-b3-spanid")->second, context.parent->ToString());
  EXPECT_EQ(sent.find("x-b3-sampled")->second, "1");
  EXPECT_EQ(sent.find("other")->second, "kept");
  std::multimap<grpc::string_ref, grpc::string_ref> received;
  for (const auto& [key, value] : sent) received.emplace(key, value);
  EXPECT_EQ(ExtractFromMetadata(received), context);
}

TEST(GrpcMetadataTest, B3AloneIsEnough) {
  const std::multimap<grpc::string_ref, grpc::string_ref> received = {
      {"x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"},
      {"x-b3-spanid", "b7ad6b7169203331"},
      {"x-b3-sampled", "1"}};
  const auto context = ExtractFromMetadata(received);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->parent->ToString(), "b7ad6b7169203331");
  EXPECT_FALSE(ExtractFromMetadata({}));
}

class GrpcTest : public ::testing::Test {
 protected:
  using Convert = std::function<base::Result<Money>(const CurrencyConversionRequest&)>;

  void SetUp() override {
    telemetry_ = MakeTelemetry("client");
    server_telemetry_ = MakeTelemetry("server");
  }

  std::unique_ptr<Telemetry> MakeTelemetry(const std::string& name) {
    auto telemetry = Telemetry::Create(loop_,
                                       {.service_name = name,
                                        .exporter = {.endpoint = collector_.endpoint(),
                                                     .flush_interval = std::chrono::minutes(10),
                                                     .metric_interval = std::chrono::minutes(10)},
                                        .log_fd = -1},
                                       base::SystemRandom());
    EXPECT_TRUE(telemetry) << telemetry.error().ToString();
    return std::move(*telemetry);
  }

  void Serve(Convert convert, std::string address = "127.0.0.1:0") {
    server_ = std::make_unique<GrpcServer>(
        *server_telemetry_, GrpcServerOptions{.address = std::move(address), .threads = 2});
    server_->Handle<Money, CurrencyConversionRequest>("hipstershop.CurrencyService", "Convert",
                                                      std::move(convert));
    const auto started = server_->Start();
    ASSERT_TRUE(started) << started.error().ToString();
  }
  std::string Address() const { return fmt::format("127.0.0.1:{}", server_->port()); }
  GrpcClient<CurrencyService> Client(std::vector<std::string> idempotent = {}) {
    return GrpcClient<CurrencyService>(*telemetry_,
                                       {.address = Address(), .idempotent = std::move(idempotent)});
  }
  void Flush() {
    ASSERT_TRUE(telemetry_->Flush(kLongTime));
    ASSERT_TRUE(server_telemetry_->Flush(kLongTime));
  }
  ReceivedSpan Only(const std::string& service) {
    const auto spans = collector_.SpansOf(service);
    EXPECT_EQ(spans.size(), 1u) << service;
    return spans.at(0);
  }
  static CurrencyConversionRequest To(const std::string& code) {
    CurrencyConversionRequest request;
    request.set_to_code(code);
    return request;
  }

  TestCollector collector_;
  net::EventLoop loop_{"otel-test"};
  std::unique_ptr<Telemetry> telemetry_;
  std::unique_ptr<Telemetry> server_telemetry_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcTest, ACallIsAnsweredAndTracedOnBothSides) {
  Serve([&](const CurrencyConversionRequest& request) -> base::Result<Money> {
    EXPECT_TRUE(Current().span);
    EXPECT_TRUE(Current().deadline);
    server_telemetry_->logger().Info("converting");
    Money money;
    money.set_currency_code(request.to_code());
    money.set_units(7);
    return money;
  });
  auto client = Client();
  {
    ScopedSpan root(telemetry_->tracer(), "root");
    const auto money = client.Call(&CurrencyService::Stub::Convert, To("EUR"));
    ASSERT_TRUE(money) << money.error().ToString();
    EXPECT_EQ(money->units(), 7);
    EXPECT_EQ(money->currency_code(), "EUR");
  }
  Flush();
  const ReceivedSpan server = Only("server");
  const auto clients = collector_.SpansOf("client");
  ASSERT_EQ(clients.size(), 2u);
  const ReceivedSpan& client_span = clients[0];
  const ReceivedSpan& root = clients[1];
  EXPECT_EQ(client_span.span.parent_span_id(), root.span.span_id());
  EXPECT_EQ(server.span.parent_span_id(), client_span.span.span_id());
  EXPECT_EQ(server.span.trace_id(), root.span.trace_id());
  for (const ReceivedSpan& span : {server, client_span}) {
    EXPECT_EQ(span.span.name(), "hipstershop.CurrencyService/Convert");
    EXPECT_EQ(span.Text("rpc.system"), "grpc");
    EXPECT_EQ(span.Text("rpc.service"), "hipstershop.CurrencyService");
    EXPECT_EQ(span.Text("rpc.method"), "Convert");
    EXPECT_EQ(span.Number("rpc.grpc.status_code"), 0);
  }
  ASSERT_EQ(collector_.logs().size(), 1u);
  EXPECT_EQ(collector_.logs()[0].span_id(), server.span.span_id());
}

TEST_F(GrpcTest, AnExceptionIsRecordedWithItsLine) {
  int line = 0;
  Serve([&](const CurrencyConversionRequest& request) -> base::Result<Money> {
    const std::map<std::string, int> digits = {{"EUR", 2}};
    Money money;
    line = __LINE__ + 1;
    money.set_units(digits.at(request.to_code()));
    return money;
  });
  auto client = Client();
  const auto money = client.Call(&CurrencyService::Stub::Convert, To("JPY"));
  ASSERT_FALSE(money);
  EXPECT_EQ(money.error().kind(), base::ErrorKind::kInternal);
  EXPECT_THAT(money.error().message(), HasSubstr("std::out_of_range"));
  Flush();
  const ReceivedSpan server = Only("server");
  EXPECT_EQ(server.span.status().code(), 2);
  EXPECT_EQ(server.Text("code.filepath"), "src/otel/grpc_test.cc");
  EXPECT_EQ(server.Number("code.lineno"), line);
  EXPECT_EQ(server.Text("error.type"), "std::out_of_range");
  ASSERT_EQ(server.span.events_size(), 1);
  EXPECT_EQ(server.span.events(0).name(), "exception");
  EXPECT_EQ(server.Number("rpc.grpc.status_code"), 13);
  ASSERT_EQ(collector_.logs().size(), 1u);
  EXPECT_EQ(collector_.logs()[0].severity_text(), "ERROR");
  EXPECT_EQ(collector_.logs()[0].trace_id(), server.span.trace_id());
}

TEST_F(GrpcTest, ErrorsKeepTheirKind) {
  Serve([](const CurrencyConversionRequest&) -> base::Result<Money> {
    return base::Fail(base::ErrorKind::kInvalidArgument, "no such currency");
  });
  auto client = Client();
  const auto money = client.Call(&CurrencyService::Stub::Convert, To("X"));
  ASSERT_FALSE(money);
  EXPECT_EQ(money.error().kind(), base::ErrorKind::kInvalidArgument);
  EXPECT_EQ(money.error().message(), "no such currency");
  Flush();
  // The caller's mistake is the caller's error, not the server's.
  EXPECT_EQ(Only("server").span.status().code(), 0);
  EXPECT_EQ(Only("client").span.status().code(), 2);
  EXPECT_EQ(Only("client").Text("error.type"), "INVALID_ARGUMENT");
}

TEST_F(GrpcTest, TheCallersDeadlineIsHandedOn) {
  std::promise<base::Duration> left;
  Serve([&](const CurrencyConversionRequest&) -> base::Result<Money> {
    left.set_value(*Current().deadline - server_telemetry_->clock().Now());
    return Money();
  });
  auto client = Client();
  {
    // Nearer than the client's own timeout.
    const ScopedContext scope(
        Context{.deadline = telemetry_->clock().Now() + std::chrono::seconds(3)});
    ASSERT_TRUE(client.Call(&CurrencyService::Stub::Convert, To("EUR"), kLongTime));
  }
  EXPECT_LE(left.get_future().get(), std::chrono::seconds(3));
}

TEST_F(GrpcTest, ADeadlineThatHasPassedIsAnError) {
  Serve([](const CurrencyConversionRequest&) -> base::Result<Money> { return Money(); });
  auto client = Client();
  const ScopedContext scope(Context{.deadline = telemetry_->clock().Now()});
  const auto money = client.Call(&CurrencyService::Stub::Convert, To("EUR"));
  ASSERT_FALSE(money);
  EXPECT_EQ(money.error().kind(), base::ErrorKind::kDeadlineExceeded);
}

TEST_F(GrpcTest, IdempotentCallsAreTriedAgain) {
  std::atomic<int> calls = 0;
  Serve([&](const CurrencyConversionRequest&) -> base::Result<Money> {
    if (++calls < 3) return base::Fail(base::ErrorKind::kUnavailable, "not yet");
    return Money();
  });
  auto once = Client();
  EXPECT_FALSE(once.Call(&CurrencyService::Stub::Convert, To("EUR")).has_value());
  EXPECT_EQ(calls, 1);
  auto again = Client({"hipstershop.CurrencyService/Convert"});
  EXPECT_TRUE(again.Call(&CurrencyService::Stub::Convert, To("EUR")).has_value());
  EXPECT_EQ(calls, 3);
  Flush();
  // One span for each call of the caller, one for each that the server saw.
  EXPECT_EQ(collector_.SpansOf("client").size(), 2u);
  const auto servers = collector_.SpansOf("server");
  ASSERT_EQ(servers.size(), 3u);
  EXPECT_EQ(servers[2].Text("rpc.grpc.previous_attempts"), "1");
  EXPECT_EQ(servers[1].span.parent_span_id(), servers[2].span.parent_span_id());
}

TEST_F(GrpcTest, UnknownMethodsAndBadMessagesAreRefused) {
  Serve([](const CurrencyConversionRequest&) -> base::Result<Money> { return Money(); });
  auto client = Client();
  const auto unknown =
      client.Call(&CurrencyService::Stub::GetSupportedCurrencies, hipstershop::Empty());
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind(), base::ErrorKind::kMethodNotAllowed);
  Flush();
  EXPECT_EQ(Only("server").span.name(), "unknown method");
}

TEST_F(GrpcTest, NobodyThereIsUnavailable) {
  GrpcClient<CurrencyService> client(*telemetry_, {.address = "127.0.0.1:1"});
  const auto money = client.Call(&CurrencyService::Stub::Convert, To("EUR"));
  ASSERT_FALSE(money);
  EXPECT_EQ(money.error().kind(), base::ErrorKind::kUnavailable);
  ASSERT_TRUE(telemetry_->Flush(kLongTime));
  EXPECT_EQ(Only("client").Text("error.type"), "UNAVAILABLE");
}

TEST_F(GrpcTest, AnAddressInUseIsSaid) {
  Serve([](const CurrencyConversionRequest&) -> base::Result<Money> { return Money(); });
  GrpcServer second(*server_telemetry_, {.address = Address()});
  const auto started = second.Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT(started.error().message(), HasSubstr(Address()));
}

TEST_F(GrpcTest, StoppingAnswersWhatIsUnderWay) {
  std::promise<void> entered;
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();
  Serve([&, may_go_on](const CurrencyConversionRequest&) -> base::Result<Money> {
    entered.set_value();
    may_go_on.wait();
    return Money();
  });
  auto client = Client();
  auto answer = std::async(std::launch::async, [&] {
    return client.Call(&CurrencyService::Stub::Convert, To("EUR"), kLongTime).has_value();
  });
  entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { server_->Stop(kLongTime); });
  go_on.set_value();
  EXPECT_TRUE(answer.get());
  stopped.get();
  EXPECT_FALSE(client.Call(&CurrencyService::Stub::Convert, To("EUR")).has_value());
}

// grpc.health.v1 by hand: the two messages have one field each.
TEST_F(GrpcTest, HealthIsAnswered) {
  Serve([](const CurrencyConversionRequest&) -> base::Result<Money> { return Money(); });
  const auto channel = grpc::CreateChannel(Address(), grpc::InsecureChannelCredentials());
  const auto check = [&](const std::string& service) {
    std::string request;
    if (!service.empty()) {
      request = "\x0a";
      request += static_cast<char>(service.size());
      request += service;
    }
    const grpc::Slice slice(request);
    const grpc::ByteBuffer message(&slice, 1);
    grpc::ByteBuffer answer;
    grpc::ClientContext context;
    const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                           grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Status status =
        grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer, grpc::ByteBuffer,
                                          grpc::ByteBuffer>(channel.get(), method, &context,
                                                            message, &answer);
    if (!status.ok()) return fmt::format("status {}", static_cast<int>(status.error_code()));
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(answer.Dump(&slices).ok());
    std::string text;
    for (const grpc::Slice& piece : slices)
      text.append(reinterpret_cast<const char*>(piece.begin()), piece.size());
    return text == "\x08\x01" ? std::string("SERVING") : text;
  };
  EXPECT_EQ(check(""), "SERVING");
  EXPECT_EQ(check("hipstershop.CurrencyService"), "SERVING");
  EXPECT_EQ(check("nobody"), "status 5");
  server_->SetServing(false);
  EXPECT_EQ(check(""), "\x08\x02");
}

}  // namespace
}  // namespace enclave::otel
