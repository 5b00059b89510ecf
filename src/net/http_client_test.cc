#include "net/http_client.h"

#include <sys/un.h>

#include <atomic>
#include <future>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "net/http_server.h"

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using std::chrono::milliseconds;
using testing::HasSubstr;

// A listening socket whose answers a test writes byte by byte.
class ScriptedServer {
 public:
  // Handles connections one after the other with `script`, which gets the connection's descriptor
  // and its number; the descriptor is closed when it returns.
  explicit ScriptedServer(std::function<void(int fd, int number)> script)
      : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      for (int number = 0;; ++number) {
        const int fd = accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        script(fd, number);
        close(fd);
      }
    });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

std::string ReadRequest(int fd) {
  std::string text;
  char c = 0;
  while (!text.ends_with("\r\n\r\n") && recv(fd, &c, 1, 0) == 1) text += c;
  return text;
}

void Say(int fd, std::string_view text) {
  EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

class HttpClientTest : public testing::TestWithParam<int> {
 protected:
  std::unique_ptr<HttpClient> Client(const std::string& url, HttpClientOptions options = {}) {
    options.base_url = url;
    auto client = HttpClient::Create(loop_, std::move(options));
    EXPECT_TRUE(client) << client.error().ToString();
    return std::move(*client);
  }
  base::Result<Response> Get(HttpClient& client, const std::string& target = "/") {
    ClientRequest request;
    request.target = target;
    return client.SendAndWait(std::move(request));
  }
  // Answers one scripted connection after its request has been read.
  base::Result<Response> GetAnswer(std::string_view answer, HttpClientOptions options = {}) {
    ScriptedServer server([&](int fd, int) {
      ReadRequest(fd);
      Say(fd, answer);
    });
    const auto client = Client(server.url(), std::move(options));
    return Get(*client);
  }

  EventLoop loop_{"client-test", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Threads, HttpClientTest, testing::Values(1, 3));

TEST_P(HttpClientTest, ConnectionsAreReused) {
  const auto server = HttpServer::Start(
      loop_, {}, [](Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
        Response response;
        response.status = 201;
        response.headers["X-Host"] = std::string(request.Header("Host"));
        response.body =
            request.method + " " + request.target + " " + request.peer.address + " " + request.body;
        co_await writer.Send(std::move(response));
      });
  ASSERT_TRUE(server);
  const auto client = Client(fmt::format("http://127.0.0.1:{}/prefix/", (*server)->port()));
  std::string first;
  for (int i = 0; i < 5; ++i) {
    ClientRequest request;
    request.method = "PATCH";
    request.target = "/a b?c=d";
    request.body = "body";
    const auto answer = client->SendAndWait(request);
    ASSERT_TRUE(answer) << answer.error().ToString();
    EXPECT_EQ(answer->status, 201);
    EXPECT_THAT(answer->body, testing::StartsWith("PATCH /prefix/a%20b?c=d 127.0.0.1:"));
    EXPECT_THAT(answer->body, testing::EndsWith(" body"));
    EXPECT_EQ(answer->headers.at("x-host"), fmt::format("127.0.0.1:{}", (*server)->port()));
    // The same port of ours: the same connection.
    if (first.empty()) first = answer->body;
    EXPECT_EQ(answer->body, first);
  }
  EXPECT_EQ((*server)->connections(), 1u);
}

TEST_P(HttpClientTest, LargeBodiesGoBothWays) {
  HttpServerOptions options;
  options.max_body_bytes = 16 << 20;
  const auto server = HttpServer::Start(
      loop_, options, [](Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
        Response response;
        response.body = std::move(request.body);
        co_await writer.Send(std::move(response));
      });
  ASSERT_TRUE(server);
  const auto client = Client(fmt::format("http://localhost:{}", (*server)->port()));
  ClientRequest request;
  request.method = "PUT";
  request.body = std::string(10 << 20, 'q');
  const auto answer = client->SendAndWait(request);
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->body, request.body);
}

TEST_P(HttpClientTest, EveryFramingIsUnderstood) {
  EXPECT_EQ(GetAnswer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")->body, "abc");
  EXPECT_EQ(GetAnswer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
                ->body,
            "abc");
  EXPECT_EQ(GetAnswer("HTTP/1.1 200 OK\r\n\r\nuntil the end")->body, "until the end");
  EXPECT_EQ(GetAnswer("HTTP/1.1 204 No Content\r\n\r\n")->status, 204);
  EXPECT_EQ(GetAnswer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                      "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
                ->body,
            "no");
}

TEST_P(HttpClientTest, BrokenAnswersAreErrors) {
  for (const std::string_view answer :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP/1.1 200 OK\r\n",
        "nonsense\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    const auto result = GetAnswer(answer);
    ASSERT_FALSE(result) << answer;
    EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable) << answer;
    EXPECT_THAT(result.error().message(), HasSubstr("GET http://127.0.0.1")) << answer;
  }
  HttpClientOptions options;
  options.max_body_bytes = 4;
  EXPECT_EQ(GetAnswer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", options).error().kind(),
            ErrorKind::kTooLarge);
  EXPECT_EQ(GetAnswer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n",
                      options)
                .error()
                .kind(),
            ErrorKind::kTooLarge);
  EXPECT_EQ(GetAnswer("HTTP/1.1 200 OK\r\n\r\nabcde", options).error().kind(),
            ErrorKind::kTooLarge);
}

TEST_P(HttpClientTest, AStaleConnectionIsReplacedOnce) {
  std::atomic<int> connections = 0;
  ScriptedServer server([&](int fd, int number) {
    ++connections;
    ReadRequest(fd);
    Say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(number));
    // Takes a second request, then closes without a word: the race that every pool has.
    ReadRequest(fd);
  });
  const auto client = Client(server.url());
  EXPECT_EQ(Get(*client)->body, "0");
  const auto second = Get(*client);
  ASSERT_TRUE(second) << second.error().ToString();
  EXPECT_EQ(second->body, "1");
  EXPECT_EQ(connections, 2);
}

TEST_P(HttpClientTest, AFreshConnectionThatFailsIsNotTriedAgain) {
  std::atomic<int> requests = 0;
  ScriptedServer server([&](int fd, int) {
    ReadRequest(fd);
    ++requests;
  });
  const auto client = Client(server.url());
  EXPECT_EQ(Get(*client).error().kind(), ErrorKind::kUnavailable);
  EXPECT_EQ(requests, 1);
}

TEST_P(HttpClientTest, RefusedConnectionsAreUnavailable) {
  std::string url;
  {
    url = ScriptedServer([](int, int) {}).url();
  }
  const auto result = Get(*Client(url));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("refused"));
}

TEST_P(HttpClientTest, TimeRunsOutWhileWaitingForAnAnswerOrItsBody) {
  for (const std::string_view answer :
       {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP/1.1 200 OK\r\n\r\nabc"}) {
    std::promise<void> done;
    ScriptedServer server([&](int fd, int) {
      ReadRequest(fd);
      Say(fd, answer);
      done.get_future().wait();
    });
    const auto client = Client(server.url());
    ClientRequest request;
    request.timeout = milliseconds(50);
    const auto result = client->SendAndWait(request);
    done.set_value();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind(), ErrorKind::kDeadlineExceeded);
  }
}

TEST_P(HttpClientTest, TimeRunsOutWhileConnecting) {
  // A full backlog: the kernel drops further attempts.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  socklen_t size = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  const auto client = Client(fmt::format("http://127.0.0.1:{}", ntohs(address.sin_port)));
  ClientRequest request;
  request.timeout = milliseconds(50);
  EXPECT_EQ(client->SendAndWait(request).error().kind(), ErrorKind::kDeadlineExceeded);
  for (const int fd : fillers) close(fd);
  close(listener);
}

TEST_P(HttpClientTest, StreamsHandOverPiecesUntilToldToStop) {
  std::promise<void> stopped;
  const auto server =
      HttpServer::Start(loop_, {}, [&](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
        const auto begun = co_await writer.Begin({200, {{"X-Kind", "watch"}}, ""});
        EXPECT_TRUE(begun);
        try {
          asio::steady_timer timer(co_await asio::this_coro::executor);
          for (int i = 0;; ++i) {
            const std::string piece = fmt::format("event {}\n", i);
            if (!co_await writer.Write(piece)) break;
            timer.expires_after(milliseconds(1));
            co_await timer.async_wait(asio::use_awaitable);
          }
        } catch (const boost::system::system_error&) {
        }
        stopped.set_value();
      });
  ASSERT_TRUE(server);
  const auto client = Client(fmt::format("http://127.0.0.1:{}", (*server)->port()));
  ClientRequest request;
  request.timeout = milliseconds(0);
  std::string seen;
  std::string kind;
  auto streamed = asio::co_spawn(asio::make_strand(loop_.context()),
                                 client->Stream(request,
                                                [&](const Response& head, std::string_view data) {
                                                  kind = head.headers.at("X-Kind");
                                                  seen += data;
                                                  return !seen.ends_with("event 20\n");
                                                }),
                                 asio::use_future);
  const auto result = streamed.get();
  ASSERT_TRUE(result) << result.error().ToString();
  EXPECT_EQ(result->status, 200);
  EXPECT_EQ(kind, "watch");
  EXPECT_THAT(seen, testing::StartsWith("event 0\nevent 1\n"));
  // The server notices.
  stopped.get_future().wait();
}

TEST_P(HttpClientTest, ACancelledStreamEnds) {
  std::promise<void> begun;
  std::promise<void> stopped;
  const auto server =
      HttpServer::Start(loop_, {}, [&](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
        const auto sent = co_await writer.Begin({});
        EXPECT_TRUE(sent);
        const auto written = co_await writer.Write("x");
        EXPECT_TRUE(written);
        try {
          asio::steady_timer timer(co_await asio::this_coro::executor);
          timer.expires_at(asio::steady_timer::time_point::max());
          co_await timer.async_wait(asio::use_awaitable);
        } catch (const boost::system::system_error&) {
          stopped.set_value();
        }
      });
  ASSERT_TRUE(server);
  const auto client = Client(fmt::format("http://127.0.0.1:{}", (*server)->port()));
  ClientRequest request;
  request.timeout = milliseconds(0);
  const auto strand = asio::make_strand(loop_.context());
  asio::cancellation_signal cancel;
  std::promise<bool> ended;
  asio::co_spawn(strand,
                 client->Stream(request,
                                [&](const Response&, std::string_view) {
                                  begun.set_value();
                                  return true;
                                }),
                 asio::bind_cancellation_slot(
                     cancel.slot(), [&](std::exception_ptr thrown, base::Result<Response> result) {
                       ended.set_value(thrown != nullptr ||
                                       (!result && result.error().kind() == ErrorKind::kCancelled));
                     }));
  begun.get_future().wait();
  asio::post(strand, [&] { cancel.emit(asio::cancellation_type::terminal); });
  EXPECT_TRUE(ended.get_future().get());
  stopped.get_future().wait();
}

TEST_P(HttpClientTest, AnAnswerBeforeTheBodyWasTakenCounts) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  const auto server = HttpServer::Start(
      loop_, options, [](Request&, ResponseWriter&) -> asio::awaitable<void> { co_return; });
  ASSERT_TRUE(server);
  const auto client = Client(fmt::format("http://127.0.0.1:{}", (*server)->port()));
  ClientRequest request;
  request.method = "POST";
  request.body = std::string(3 << 20, 'x');
  const auto answer = client->SendAndWait(request);
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->status, 413);
}

TEST_P(HttpClientTest, UnixSocketsWork) {
  const std::string path = fmt::format("/tmp/enclave-client-test-{}.sock", getpid());
  unlink(path.c_str());
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  std::thread server([&] {
    const int fd = accept(listener, nullptr, nullptr);
    EXPECT_THAT(ReadRequest(fd), HasSubstr("Host: localhost\r\n"));
    Say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    close(fd);
  });
  EXPECT_EQ(Get(*Client("unix://" + path))->body, "ok");
  server.join();
  close(listener);
  unlink(path.c_str());
}

TEST_P(HttpClientTest, ManyAtOnceShareThePool) {
  const auto server = HttpServer::Start(
      loop_, {}, [](Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
        Response response;
        response.body = request.path;
        co_await writer.Send(std::move(response));
      });
  ASSERT_TRUE(server);
  const auto client = Client(fmt::format("http://127.0.0.1:{}", (*server)->port()));
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string target = fmt::format("/{}/{}", t, i);
        const auto answer = Get(*client, target);
        if (answer && answer->body == target) ++right;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

TEST_P(HttpClientTest, ALoopThatStopsDoesNotLeaveCallersHanging) {
  ScriptedServer server([](int fd, int) {
    ReadRequest(fd);
    ReadRequest(fd);
  });
  EventLoop loop("stopping");
  HttpClientOptions options;
  options.base_url = server.url();
  auto client = HttpClient::Create(loop, options);
  ASSERT_TRUE(client);
  std::thread stopper([&] { loop.Stop(); });
  EXPECT_FALSE((*client)->SendAndWait({}));
  stopper.join();
  client->reset();
}

}  // namespace
}  // namespace enclave::net
