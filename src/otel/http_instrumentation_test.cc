#include "otel/http_instrumentation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otel/test_collector.h"

namespace enclave::otel {
namespace {

class HttpInstrumentationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto telemetry = Telemetry::Create(loop_,
                                       {.service_name = "web",
                                        .exporter = {.endpoint = collector_.endpoint(),
                                                     .flush_interval = std::chrono::minutes(10),
                                                     .metric_interval = std::chrono::minutes(10)},
                                        .log_fd = -1},
                                       random_);
    ASSERT_TRUE(telemetry) << telemetry.error().ToString();
    telemetry_ = std::move(*telemetry);
  }
  ReceivedSpan Only() {
    EXPECT_TRUE(telemetry_->Flush(kLongTime));
    EXPECT_EQ(collector_.spans().size(), 1u);
    return collector_.spans().at(0);
  }

  base::SeededRandom random_{1};
  TestCollector collector_;
  net::EventLoop loop_{"otel-test"};
  std::unique_ptr<Telemetry> telemetry_;
};

TEST_F(HttpInstrumentationTest, AClientsSpanIsTheParentOfTheServers) {
  net::ClientRequest sent{.target = "/product/1"};
  {
    HttpClientSpan client(*telemetry_, "http://10.0.0.1:8080", sent, "browse", {.new_trace = true});
    net::Request received{.method = "GET",
                          .target = sent.target,
                          .path = "/product/1",
                          .headers = sent.headers,
                          .peer = {.address = "127.0.0.1:5000"}};
    HttpServerSpan server(*telemetry_, received, "/product/{id}");
    server.End(200);
    client.End(net::Response{.status = 200});
  }
  ASSERT_TRUE(telemetry_->Flush(kLongTime));
  const auto spans = collector_.spans();
  ASSERT_EQ(spans.size(), 2u);
  const ReceivedSpan& server = spans[0];
  const ReceivedSpan& client = spans[1];
  EXPECT_EQ(server.span.parent_span_id(), client.span.span_id());
  EXPECT_EQ(server.span.trace_id(), client.span.trace_id());
  EXPECT_EQ(server.span.name(), "GET /product/{id}");
  EXPECT_EQ(server.Text("http.route"), "/product/{id}");
  EXPECT_EQ(server.Text("client.address"), "127.0.0.1");
  EXPECT_EQ(server.Number("http.response.status_code"), 200);
  EXPECT_EQ(client.span.name(), "browse");
  EXPECT_EQ(client.Number("server.port"), 8080);
  std::set<std::string> names;
  for (const auto& metric : collector_.metrics()) names.insert(metric.name());
  EXPECT_TRUE(names.contains("http.server.request.duration"));
  EXPECT_TRUE(names.contains("http.client.request.duration"));
}

TEST_F(HttpInstrumentationTest, AServersErrorIsOneAndAClientsMistakeIsNot) {
  net::Request request{.method = "POST", .path = "/cart"};
  HttpServerSpan(*telemetry_, request, "/cart").End(404);
  HttpServerSpan(*telemetry_, request, "/cart").End(500);
  ASSERT_TRUE(telemetry_->Flush(kLongTime));
  const auto spans = collector_.spans();
  EXPECT_EQ(spans.at(0).span.status().code(), 0);
  EXPECT_EQ(spans.at(1).span.status().code(), 2);
  EXPECT_EQ(spans.at(1).Text("error.type"), "500");
}

TEST_F(HttpInstrumentationTest, MethodsOfOutsideAreBounded) {
  net::Request request{.method = "BREW", .path = "/pot"};
  HttpServerSpan(*telemetry_, request, "/pot").End(200);
  EXPECT_EQ(Only().span.name(), "_OTHER /pot");
}

TEST_F(HttpInstrumentationTest, NoAnswerIsAnError) {
  net::ClientRequest request;
  HttpClientSpan(*telemetry_, "http://10.0.0.1", request)
      .End(base::Fail(base::ErrorKind::kUnavailable, "refused"));
  const ReceivedSpan span = Only();
  EXPECT_EQ(span.span.status().code(), 2);
  EXPECT_EQ(span.Text("error.type"), "Unavailable");
}

TEST_F(HttpInstrumentationTest, ARequestThatIsGivenUpEnds) {
  net::Request request{.method = "GET", .path = "/"};
  {
    HttpServerSpan span(*telemetry_, request, "/");
  }
  EXPECT_EQ(Only().Number("http.response.status_code"), 499);
}

}  // namespace
}  // namespace enclave::otel
