// With real sockets: a program that exposes metrics, and an API server with nodes and logs.
#include "observatory/scrape/service.h"

#include <zlib.h>

#include <atomic>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/http_server.h"
#include "observatory/scrape/exposition.h"
#include "observatory/scrape/recording_sink.h"

namespace enclave::observatory::scrape {
namespace {

namespace asio = boost::asio;
using kube::Json;
using std::chrono::milliseconds;
using testing::HasSubstr;

std::string Gzip(std::string text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(text.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class ServiceTest : public testing::Test {
 protected:
  std::unique_ptr<net::HttpServer> Serve(net::Handler handler) {
    auto server = net::HttpServer::Start(loop_, {}, std::move(handler));
    EXPECT_TRUE(server) << server.error().ToString();
    return std::move(*server);
  }
  std::string WriteConfig(const std::string& text) {
    const std::string path = testing::TempDir() + "/scrape_service_test.yml";
    std::ofstream(path) << text;
    return path;
  }

  net::EventLoop loop_{"service-test"};
  RecordingSink sink_;
};

TEST_F(ServiceTest, ScrapesAProgramOverHttpAndFollowsItsFile) {
  std::atomic<int> asked = 0;
  std::string accept;
  const auto server =
      Serve([&](net::Request& request, net::ResponseWriter& writer) -> asio::awaitable<void> {
        if (++asked == 1) accept = request.Header("Accept");
        net::Response response;
        response.headers["Content-Type"] = "application/openmetrics-text; version=1.0.0";
        response.headers["Content-Encoding"] = "gzip";
        response.body = Gzip("# TYPE a gauge\na{p=\"" + request.target + "\"} 4\n# EOF\n");
        co_await writer.Send(std::move(response));
      });
  const auto config = [&](const std::string& job) {
    return fmt::format(
        "scrape_configs:\n- job_name: {}\n  scrape_interval: 20ms\n  scrape_timeout: 20ms\n"
        "  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        job, server->port());
  };
  ServiceOptions options;
  options.config_file = WriteConfig(config("one"));
  options.reload_interval = milliseconds(5);
  const auto service = Service::Start(options, sink_, nullptr);
  ASSERT_TRUE(service) << service.error().ToString();
  const auto series = [&](const std::string& job) {
    return fmt::format(R"(a{{instance="127.0.0.1:{}", job="{}", p="/metrics"}})", server->port(),
                       job);
  };
  sink_.WaitUntil([&](const RecordingSink& sink) { return sink.Of(series("one")).size() >= 2; });
  EXPECT_THAT(accept, HasSubstr("application/openmetrics-text"));
  EXPECT_THAT((*service)->RenderTargets(), HasSubstr(R"("scrapePool":"one")"));

  WriteConfig("scrape_configs: [nonsense");
  EXPECT_FALSE((*service)->Reload());
  WriteConfig(config("two"));
  sink_.WaitUntil([&](const RecordingSink& sink) {
    const auto ended = sink.Of(series("one"));
    return telemetry::IsStale(ended.back().value) && !sink.Of(series("two")).empty();
  });
}

TEST_F(ServiceTest, ACluster) {
  // Nodes and pods as lists; watches stay open and silent; logs end only with the connection.
  const auto pod = Json{
      {"metadata", {{"name", "p"}, {"namespace", "d"}, {"uid", "u"}, {"resourceVersion", "1"}}},
      {"spec", {{"nodeName", "n"}}},
      {"status",
       {{"containerStatuses",
         Json::array(
             {{{"name", "c"}, {"restartCount", 0}, {"state", {{"running", Json::object()}}}}})}}}};
  const auto node =
      Json{{"metadata", {{"name", "n"}, {"uid", "v"}, {"resourceVersion", "1"}}},
           {"status",
            {{"addresses", Json::array({{{"type", "InternalIP"}, {"address", "127.0.0.1"}}})}}}};
  const auto server =
      Serve([&](net::Request& request, net::ResponseWriter& writer) -> asio::awaitable<void> {
        const auto wait = []() -> asio::awaitable<void> {
          asio::steady_timer timer(co_await asio::this_coro::executor);
          timer.expires_at(asio::steady_timer::time_point::max());
          co_await timer.async_wait(asio::use_awaitable);
        };
        net::Response response;
        const auto list = [](Json items) {
          return Json{{"metadata", {{"resourceVersion", "5"}}}, {"items", std::move(items)}}.dump();
        };
        if (request.Query("watch")) {
          co_await writer.Begin(response);
          co_await wait();
        } else if (request.path == "/api/v1/namespaces/d/pods/p/log") {
          EXPECT_EQ(request.Query("container"), "c");
          EXPECT_EQ(request.Query("follow"), "true");
          EXPECT_EQ(request.Query("timestamps"), "true");
          co_await writer.Begin(response);
          co_await writer.Write("2026-01-02T03:04:05.000000006Z hello\n2026-01-02T03:04:06Z wor");
          co_await writer.Write("ld\n");
          co_await wait();
        } else if (request.path == "/api/v1/pods") {
          response.body = list(Json::array({pod}));
          co_await writer.Send(std::move(response));
        } else if (request.path == "/api/v1/nodes") {
          response.body = list(Json::array({node}));
          co_await writer.Send(std::move(response));
        } else if (request.path == "/api/v1/nodes/n/proxy/metrics/cadvisor") {
          response.body = "container_cpu_usage_seconds_total{pod=\"p\"} 3\n";
          co_await writer.Send(std::move(response));
        } else {
          response.status = 404;
          co_await writer.Send(std::move(response));
        }
      });
  ServiceOptions options;
  options.defaults.interval = milliseconds(50);
  options.cluster = kube::ClientConfig{};
  options.cluster->server = fmt::format("http://127.0.0.1:{}", server->port());
  const auto service = Service::Start(options, sink_, nullptr);
  ASSERT_TRUE(service) << service.error().ToString();
  sink_.WaitUntil([](const RecordingSink& sink) {
    const auto logs = sink.streams().find(R"({container="c", namespace="d", node="n", pod="p"})");
    return logs != sink.streams().end() && logs->second.size() == 2 &&
           !sink.Of(R"(container_cpu_usage_seconds_total{instance="n", job="kubernetes-cadvisor", )"
                    R"(node="n", pod="p"})")
                .empty();
  });
  const auto& records = sink_.streams().at(R"({container="c", namespace="d", node="n", pod="p"})");
  EXPECT_EQ(records[0].line, "hello");
  EXPECT_EQ(records[0].time_ns % 1'000'000'000, 6);
  EXPECT_EQ(records[1].line, "world");
}

}  // namespace
}  // namespace enclave::observatory::scrape
