#include "front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <future>
#include <latch>

#include "compress.h"
#include "net/http_client.h"

namespace enclave::observatory::api {
namespace {

using testing::HasSubstr;

std::string Gunzip(const std::string& data) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  std::string in = data;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

class FrontTest : public testing::Test {
 protected:
  void Start(RouteTable routes, FrontOptions options = {}) {
    auto front = Front::Start(server_loop_, base::SystemClock(), std::move(options),
                              std::move(routes), metrics_);
    ASSERT_TRUE(front) << front.error().message();
    front_ = std::move(*front);
    auto client = net::HttpClient::Create(
        client_loop_, {.base_url = "http://127.0.0.1:" + std::to_string(front_->port())});
    ASSERT_TRUE(client);
    client_ = std::move(*client);
  }

  net::Response Send(const std::string& method, const std::string& target,
                     net::Headers headers = {}, std::string body = "") {
    auto response = client_->SendAndWait({.method = method,
                                          .target = target,
                                          .headers = std::move(headers),
                                          .body = std::move(body)});
    EXPECT_TRUE(response) << response.error().message();
    return response ? *response : net::Response{};
  }

  net::EventLoop server_loop_{"front-test"};
  net::EventLoop client_loop_{"front-client"};
  RequestMetrics metrics_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(FrontTest, HandlersGetTheRequestAndWhatThePatternCaught) {
  RouteTable routes;
  routes.Get("/label/{}/values", [](const Call& call) {
    return PlainText(200, call.captures[0] + "?" + *call.request.Query("q"));
  });
  routes.Post(
      "/push", [](const Call& call) { return PlainText(204, call.request.body); }, Lane::kIngest);
  Start(std::move(routes));
  EXPECT_EQ(Send("GET", "/label/le/values?q=1").body, "le?1");
  EXPECT_EQ(Send("POST", "/push", {}, "x").status, 204);
  EXPECT_EQ(Send("HEAD", "/label/le/values?q=1").status, 200);
}

TEST_F(FrontTest, WhatIsNotThereIsTold) {
  RouteTable routes;
  routes.GetOrForm("/query", [](const Call&) { return PlainText(200, "x"); });
  Start(std::move(routes));
  EXPECT_EQ(Send("GET", "/nothing").status, 404);
  EXPECT_EQ(Send("GET", "/query/").status, 404);
  const net::Response refused = Send("DELETE", "/query");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at("Allow"), "GET, POST");
}

TEST_F(FrontTest, LongAnswersAreCompressedForWhoAsks) {
  const std::string text(5000, 'a');
  RouteTable routes;
  routes.Get("/long", [&](const Call&) { return PlainText(200, text); });
  routes.Get("/short", [](const Call&) { return PlainText(200, "short"); });
  Start(std::move(routes));
  EXPECT_EQ(Send("GET", "/long").body, text);
  const net::Response packed = Send("GET", "/long", {{"Accept-Encoding", "br, gzip;q=0.5"}});
  EXPECT_EQ(packed.headers.at("Content-Encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 200u);
  EXPECT_EQ(Gunzip(packed.body), text);
  EXPECT_EQ(Send("GET", "/short", {{"Accept-Encoding", "gzip"}}).body, "short");
}

TEST_F(FrontTest, AFullLaneAnswersAtOnceAndTheOthersGoOn) {
  std::latch release(1);
  std::latch running(1);
  RouteTable routes;
  routes.Get("/slow", [&](const Call&) {
    running.count_down();
    release.wait();
    return PlainText(200, "done");
  });
  routes.Get("/self", [](const Call&) { return PlainText(200, "self"); }, Lane::kSelf);
  FrontOptions options;
  options.query.threads = 1;
  options.query.max_waiting = 0;
  Start(std::move(routes), options);
  auto slow = std::async(std::launch::async, [&] { return Send("GET", "/slow"); });
  running.wait();
  const net::Response full = Send("GET", "/slow");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.headers.at("Retry-After"), "1");
  EXPECT_EQ(Send("GET", "/self").body, "self");
  release.count_down();
  EXPECT_EQ(slow.get().body, "done");
  std::string page;
  metrics_.Append(&page);
  EXPECT_THAT(page, HasSubstr("observatory_http_rejected_total 1\n"));
  EXPECT_THAT(page, HasSubstr("observatory_http_requests_total{route=\"/slow\",code=\"503\"} 1\n"));
}

TEST_F(FrontTest, AHandlerIsToldThatItsClientHasGone) {
  std::latch running(1);
  std::promise<void> stopped;
  RouteTable routes;
  routes.Get("/wait", [&](const Call& call) {
    std::promise<void> asked;
    const std::stop_callback on_stop(call.stop, [&] { asked.set_value(); });
    running.count_down();
    asked.get_future().wait();
    stopped.set_value();
    return PlainText(200, "nobody reads this");
  });
  Start(std::move(routes));
  auto gone = std::async(std::launch::async, [&] {
    return client_->SendAndWait({.target = "/wait", .timeout = std::chrono::milliseconds(50)});
  });
  running.wait();
  stopped.get_future().wait();
  EXPECT_FALSE(gone.get());
}

TEST_F(FrontTest, ClosingTellsHandlersThatRun) {
  std::latch running(1);
  RouteTable routes;
  routes.Get("/wait", [&](const Call& call) {
    std::promise<void> asked;
    const std::stop_callback on_stop(call.stop, [&] { asked.set_value(); });
    running.count_down();
    asked.get_future().wait();
    return PlainText(200, "");
  });
  Start(std::move(routes));
  auto waiting =
      std::async(std::launch::async, [&] { return client_->SendAndWait({.target = "/wait"}); });
  running.wait();
  front_.reset();
  waiting.get();
}

TEST_F(FrontTest, AHandlerThatThrowsAnswers500) {
  RouteTable routes;
  routes.Get("/throws", [](const Call&) -> net::Response { throw std::runtime_error("why"); });
  Start(std::move(routes));
  const net::Response response = Send("GET", "/throws");
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("why"));
}

TEST(CompressTest, WhoTakesGzip) {
  for (const char* yes : {"gzip", "deflate, gzip", "gzip;q=1.0", "*", "br;q=1, *;q=0.1"})
    EXPECT_TRUE(AcceptsGzip(yes)) << yes;
  for (const char* no : {"", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *"})
    EXPECT_FALSE(AcceptsGzip(no)) << no;
}

TEST(RouteTableTest, SegmentsMatchWholeAndCaptureOne) {
  RouteTable routes;
  routes.Get("/a/{}/c", [](const Call&) { return net::Response{}; });
  routes.Get("/", [](const Call&) { return net::Response{}; });
  EXPECT_NE(routes.Find("GET", "/a/b/c").route, nullptr);
  EXPECT_NE(routes.Find("GET", "/").route, nullptr);
  for (const char* path : {"/a//c", "/a/b/c/", "/a/b", "/a/b/d", "a/b/c", "", "/a/b/c/d"})
    EXPECT_EQ(routes.Find("GET", path).route, nullptr) << path;
}

}  // namespace
}  // namespace enclave::observatory::api
