#include "net/http_server.h"

#include <sys/resource.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/raw_client.h"

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

asio::awaitable<void> Hello(Request&, ResponseWriter& writer) {
  Response response;
  response.body = "hello";
  const auto sent = co_await writer.Send(std::move(response));
  EXPECT_TRUE(sent);
}

asio::awaitable<void> Echo(Request& request, ResponseWriter& writer) {
  Response response;
  response.headers["X-Path"] = request.path;
  response.body = request.body;
  const auto sent = co_await writer.Send(std::move(response));
  EXPECT_TRUE(sent);
}

asio::awaitable<void> WaitForever() {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_at(asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

class HttpServerTest : public testing::TestWithParam<int> {
 protected:
  std::unique_ptr<HttpServer> Start(Handler handler, HttpServerOptions options = {}) {
    auto server = HttpServer::Start(loop_, std::move(options), std::move(handler));
    EXPECT_TRUE(server) << server.error().ToString();
    return std::move(*server);
  }

  EventLoop loop_{"http-test", GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Threads, HttpServerTest, testing::Values(1, 3));

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_P(HttpServerTest, AnswersAndKeepsTheConnection) {
  const auto server = Start(Hello);
  RawClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(kGet));
    const std::string answer = client.ReadUntil("hello");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
    EXPECT_THAT(answer, HasSubstr("Date: "));
    EXPECT_THAT(answer, EndsWith("\r\n\r\nhello"));
  }
  EXPECT_EQ(server->connections(), 1u);
}

TEST_P(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  const auto server = Start([](Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    // The first answers later than the second could.
    if (request.path == "/0") {
      asio::steady_timer timer(co_await asio::this_coro::executor, milliseconds(20));
      co_await timer.async_wait(asio::use_awaitable);
    }
    Response response;
    response.body = request.path + ";";
    co_await writer.Send(std::move(response));
  });
  RawClient client(server->port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  ASSERT_TRUE(client.Send(all));
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(client.ReadUntil(";"), EndsWith(fmt::format("\r\n\r\n/{};", i)));
  }
}

TEST_P(HttpServerTest, RequestsMayComeByteByByte) {
  const auto server = Start(Echo);
  RawClient client(server->port());
  const std::string request =
      "\r\nPOST /p%20q?x=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n";
  for (const char c : request) ASSERT_TRUE(client.Send({&c, 1}));
  const std::string answer = client.ReadUntil("abcdefg");
  EXPECT_THAT(answer, HasSubstr("X-Path: /p q\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nabcdefg"));
}

TEST_P(HttpServerTest, LargeBodiesGoBothWays) {
  HttpServerOptions options;
  options.max_body_bytes = 8 << 20;
  const auto server = Start(Echo, options);
  RawClient client(server->port());
  std::string body(5 << 20, 'b');
  body.back() = '!';
  std::thread sender([&] {
    EXPECT_TRUE(client.Send(
        fmt::format("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.size())));
    EXPECT_TRUE(client.Send(body));
  });
  const std::string answer = client.ReadUntil("!");
  sender.join();
  EXPECT_TRUE(answer.ends_with(body));
}

TEST_P(HttpServerTest, HeadHasTheLengthButNoBody) {
  const auto server = Start(Hello);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), HasSubstr("Content-Length: 5\r\n"));
  ASSERT_TRUE(client.Send(kGet));
  EXPECT_THAT(client.ReadUntil("hello"), StartsWith("HTTP/1.1 200"));
}

TEST_P(HttpServerTest, ContinueIsSentOnceTheHeaderIsAccepted) {
  const auto server = Start(Echo);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n"));
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.Send("abc"));
  EXPECT_THAT(client.ReadUntil("abc"), StartsWith("HTTP/1.1 200"));
}

TEST_P(HttpServerTest, CloseIsHonoured) {
  const auto server = Start(Hello);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  const std::string answer = client.ReadAll();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("hello"));
  RawClient old(server->port());
  ASSERT_TRUE(old.Send("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_THAT(old.ReadAll(), EndsWith("hello"));
}

struct BadRequest {
  std::string_view input;
  int status;
};

TEST_P(HttpServerTest, BadRequestsGetAClearAnswer) {
  HttpServerOptions options;
  options.max_header_bytes = 4096;
  options.max_body_bytes = 1000;
  options.on_bad_request = [](int status, const std::string& message) {
    return Response{status, {{"X-Bad", "yes"}}, message};
  };
  const auto server = Start(Hello, options);
  const std::string long_header = "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(5000, 'a');
  const std::string many_headers = [] {
    std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 1000; ++i) text += fmt::format("H{}: value\r\n", i);
    return text + "\r\n";
  }();
  const std::string endless_extension =
      "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(5000, 'a');
  const std::vector<BadRequest> bad = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET host:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: x\n\n", 400},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 413},
      {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: wonders\r\n\r\n", 417},
      {long_header, 431},
      {many_headers, 431},
      {endless_extension, 431},
  };
  for (const auto& [input, status] : bad) {
    RawClient client(server->port());
    client.Send(input);
    const std::string answer = client.ReadAll();
    EXPECT_THAT(answer, StartsWith(fmt::format("HTTP/1.1 {} ", status))) << input;
    EXPECT_THAT(answer, HasSubstr("X-Bad: yes\r\n")) << input;
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n")) << input;
  }
}

TEST_P(HttpServerTest, HeadersThatDripInAreBoundedOverAll) {
  HttpServerOptions options;
  options.max_header_bytes = 2048;
  const auto server = Start(Hello, options);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: x\r\n"));
  bool refused = false;
  for (int i = 0; i < 100'000 && !refused; ++i) {
    client.Send("Header: value\r\n");
    pollfd poll_fd{client.fd(), POLLIN, 0};
    refused = poll(&poll_fd, 1, 0) == 1;
  }
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 431 "));
}

TEST_P(HttpServerTest, ARefusedBodyStillBeingSentDoesNotDestroyTheAnswer) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  const auto server = Start(Hello, options);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"));
  client.Send(std::string(4'000'000, 'x'));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
}

TEST_P(HttpServerTest, TheSumOfBodiesIsBounded) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  options.max_total_body_bytes = 1500;
  const auto server = Start(Echo, options);
  const std::string head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
  std::string answer;
  std::string first_answer = "HTTP/1.1 503 ";
  // The first one is itself refused when its bytes arrive while a second one still holds the
  // budget.
  for (int i = 0; i < 1000 && first_answer.starts_with("HTTP/1.1 503 "); ++i) {
    RawClient first(server->port());
    ASSERT_TRUE(first.Send(head + std::string(999, 'a')));
    // The second is refused once the first one's bytes are counted.
    answer.clear();
    for (int j = 0; j < 100 && !answer.starts_with("HTTP/1.1 503 "); ++j) {
      RawClient second(server->port());
      ASSERT_TRUE(second.Send(head + std::string(1000, 'b')));
      answer = second.ReadUntil("\r\n\r\n");
    }
    // Its budget is given back: the first still gets its answer, and so does a third.
    first.Send("!");
    first_answer = first.ReadUntil("!");
  }
  EXPECT_THAT(first_answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  answer.clear();
  while (!answer.starts_with("HTTP/1.1 200 ")) {
    RawClient third(server->port());
    ASSERT_TRUE(third.Send(head + std::string(1000, 'c')));
    answer = third.ReadUntil("\r\n\r\n");
  }
}

TEST_P(HttpServerTest, SlowRequestsGet408AndIdleOnesAreClosed) {
  HttpServerOptions options;
  options.request_timeout = milliseconds(50);
  options.idle_timeout = milliseconds(100);
  const auto server = Start(Hello, options);
  RawClient slow(server->port());
  ASSERT_TRUE(slow.Send("GET / HT"));
  EXPECT_THAT(slow.ReadAll(), StartsWith("HTTP/1.1 408 "));
  RawClient idle(server->port());
  EXPECT_TRUE(idle.ClosedByServer());
}

TEST_P(HttpServerTest, StreamsArriveAsTheyAreWritten) {
  std::promise<void> first_read;
  auto first_was_read = first_read.get_future().share();
  const auto server =
      Start([first_was_read](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
        EXPECT_TRUE(co_await writer.Begin({200, {{"Content-Type", "text/plain"}}, "ignored"}));
        EXPECT_TRUE(co_await writer.Write("one"));
        EXPECT_TRUE(co_await writer.Write(""));
        asio::steady_timer timer(co_await asio::this_coro::executor);
        while (first_was_read.wait_for(milliseconds(0)) != std::future_status::ready) {
          timer.expires_after(milliseconds(1));
          co_await timer.async_wait(asio::use_awaitable);
        }
        const std::string large(100'000, 'z');
        EXPECT_TRUE(co_await writer.Write(large));
        EXPECT_TRUE(co_await writer.End());
      });
  RawClient client(server->port());
  ASSERT_TRUE(client.Send(kGet));
  const std::string head = client.ReadUntil("\r\n\r\n");
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
  EXPECT_EQ(client.ReadUntil("one\r\n"), "3\r\none\r\n");
  first_read.set_value();
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"),
            "186a0\r\n" + std::string(100'000, 'z') + "\r\n0\r\n\r\n");
  ASSERT_TRUE(client.Send(kGet));
  EXPECT_THAT(client.ReadUntil("0\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_P(HttpServerTest, AClientThatLeavesCancelsTheWaitingHandler) {
  for (const bool streaming : {true, false}) {
    std::promise<void> entered;
    std::promise<bool> left;
    const auto server =
        Start([&, streaming](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
          if (streaming) {
            const auto begun = co_await writer.Begin({});
            EXPECT_TRUE(begun);
          }
          entered.set_value();
          try {
            co_await WaitForever();
          } catch (const boost::system::system_error& cancelled) {
            EXPECT_EQ(cancelled.code(), asio::error::operation_aborted);
            left.set_value(writer.closed());
            throw;
          }
        });
    RawClient client(server->port());
    ASSERT_TRUE(client.Send(kGet));
    entered.get_future().wait();
    // Bytes of a next request do not hide the closing that follows.
    ASSERT_TRUE(client.Send("GET /next HTTP/1.1\r\n"));
    client.Close();
    EXPECT_TRUE(left.get_future().get());
  }
}

TEST_P(HttpServerTest, WritesToAClientThatLeftFail) {
  std::promise<bool> failed;
  const auto server = Start([&](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    const auto begun = co_await writer.Begin({});
    EXPECT_TRUE(begun);
    const std::string data(100'000, 'x');
    try {
      while (true) {
        const auto written = co_await writer.Write(data);
        if (!written) {
          EXPECT_EQ(written.error().kind(), base::ErrorKind::kCancelled);
          break;
        }
      }
    } catch (const boost::system::system_error&) {
    }
    failed.set_value(writer.closed());
  });
  RawClient client(server->port());
  ASSERT_TRUE(client.Send(kGet));
  client.ReadUntil("x");
  client.Close();
  EXPECT_TRUE(failed.get_future().get());
}

TEST_P(HttpServerTest, AReaderThatStopsIsCutOff) {
  HttpServerOptions options;
  options.write_timeout = milliseconds(100);
  std::promise<void> over;
  const auto server = Start(
      [&](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
        const auto begun = co_await writer.Begin({});
        EXPECT_TRUE(begun);
        const std::string data(1 << 20, 'x');
        try {
          while (co_await writer.Write(data)) {
          }
        } catch (const boost::system::system_error&) {
        }
        over.set_value();
      },
      options);
  RawClient client(server->port());
  ASSERT_TRUE(client.Send(kGet));
  over.get_future().wait();
}

TEST_P(HttpServerTest, HandlersThatFailAre500) {
  const auto server = Start([](Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
    if (request.path == "/throw") throw std::runtime_error("a bug");
    if (request.path == "/odd") throw 42;
    if (request.path == "/half") {
      EXPECT_TRUE(co_await writer.Begin({}));
      EXPECT_TRUE(co_await writer.Write("part"));
    }
  });
  for (const char* path : {"/throw", "/odd", "/nothing"}) {
    RawClient client(server->port());
    ASSERT_TRUE(client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path)));
    EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 500 ")) << path;
  }
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET /half HTTP/1.1\r\nHost: x\r\n\r\n"));
  // No last chunk: the client sees that the body was cut short.
  EXPECT_THAT(client.ReadAll(), EndsWith("4\r\npart\r\n"));
}

TEST_P(HttpServerTest, HeadersCannotBeSmuggledIntoAnswers) {
  const auto server = Start([](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
    Response response;
    response.headers["X-Evil"] = "a\r\nX-Injected: 1";
    response.headers["Bad Name\r\n"] = "v";
    response.headers["content-length"] = "999";
    response.body = "ok";
    co_await writer.Send(std::move(response));
  });
  RawClient client(server->port());
  ASSERT_TRUE(client.Send(kGet));
  const std::string answer = client.ReadUntil("ok");
  EXPECT_THAT(answer, HasSubstr("X-Evil: a  X-Injected: 1\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Bad Name")));
  EXPECT_THAT(answer, Not(HasSubstr("999")));
}

TEST_P(HttpServerTest, TheLongestIdleConnectionGivesWay) {
  // With several threads a client may have its answer before its connection counts as idle.
  if (GetParam() != 1) GTEST_SKIP() << "the order is only certain with one thread";
  HttpServerOptions options;
  options.max_connections = 3;
  const auto server = Start(Hello, options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server->port());
    ASSERT_TRUE(clients.back().Send(kGet));
    EXPECT_THAT(clients.back().ReadUntil("hello"), EndsWith("hello"));
  }
  // The first was used last: the second is the one to go.
  ASSERT_TRUE(clients[0].Send(kGet));
  EXPECT_THAT(clients[0].ReadUntil("hello"), EndsWith("hello"));
  RawClient extra(server->port());
  ASSERT_TRUE(extra.Send(kGet));
  EXPECT_THAT(extra.ReadUntil("hello"), EndsWith("hello"));
  EXPECT_TRUE(clients[1].ClosedByServer());
  for (const int kept : {0, 2}) {
    ASSERT_TRUE(clients[static_cast<std::size_t>(kept)].Send(kGet));
    EXPECT_THAT(clients[static_cast<std::size_t>(kept)].ReadUntil("hello"), EndsWith("hello"));
  }
}

TEST_P(HttpServerTest, OutOfDescriptorsTheIdleGiveWay) {
  const auto server = Start(Hello);
  RawClient idle(server->port());
  ASSERT_TRUE(idle.Send(kGet));
  EXPECT_THAT(idle.ReadUntil("hello"), EndsWith("hello"));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit tight{256, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<int> fillers;
  for (int fd; (fd = dup(0)) >= 0;) fillers.push_back(fd);
  // One descriptor is free: our side of the newcomer takes it.
  close(fillers.back());
  fillers.pop_back();
  RawClient newcomer(server->port());
  EXPECT_TRUE(newcomer.connected());
  EXPECT_TRUE(newcomer.Send(kGet));
  EXPECT_THAT(newcomer.ReadUntil("hello"), EndsWith("hello"));
  EXPECT_TRUE(idle.ClosedByServer());
  for (const int fd : fillers) close(fd);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_P(HttpServerTest, BusyConnectionsAreNeverEvicted) {
  HttpServerOptions options;
  options.max_connections = 1;
  std::promise<void> entered;
  const auto server = Start(
      [&](Request&, ResponseWriter& writer) -> asio::awaitable<void> {
        const auto begun = co_await writer.Begin({});
        EXPECT_TRUE(begun);
        entered.set_value();
        co_await WaitForever();
      },
      options);
  RawClient busy(server->port());
  ASSERT_TRUE(busy.Send(kGet));
  entered.get_future().wait();
  RawClient other(server->port());
  EXPECT_TRUE(other.ClosedByServer());
  EXPECT_EQ(server->connections(), 1u);
}

TEST_P(HttpServerTest, DestructionCancelsHandlersAndClosesConnections) {
  std::promise<void> entered;
  std::atomic<bool> handler_gone = false;
  struct Flag {
    std::atomic<bool>& flag;
    ~Flag() { flag = true; }
  };
  auto server = Start([&](Request&, ResponseWriter&) -> asio::awaitable<void> {
    const Flag flag{handler_gone};
    entered.set_value();
    co_await WaitForever();
  });
  RawClient busy(server->port());
  RawClient idle(server->port());
  ASSERT_TRUE(busy.Send(kGet));
  entered.get_future().wait();
  server.reset();
  EXPECT_TRUE(handler_gone);
  EXPECT_TRUE(busy.ClosedByServer());
  EXPECT_TRUE(idle.ClosedByServer());
}

TEST_P(HttpServerTest, StartTellsWhatIsWrong) {
  const auto server = Start(Hello);
  HttpServerOptions taken;
  taken.port = server->port();
  const auto second = HttpServer::Start(loop_, taken, Hello);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), base::ErrorKind::kUnavailable);
  EXPECT_THAT(second.error().message(), HasSubstr(std::to_string(server->port())));
  HttpServerOptions wrong;
  wrong.address = "localhost";
  EXPECT_EQ(HttpServer::Start(loop_, wrong, Hello).error().kind(),
            base::ErrorKind::kInvalidArgument);
}

TEST_P(HttpServerTest, ManyClientsAtOnce) {
  const auto server = Start(Echo);
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      RawClient client(server->port());
      for (int i = 0; i < 200; ++i) {
        const std::string body = fmt::format("<{}-{}>", t, i);
        client.Send(fmt::format("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}",
                                body.size(), body));
        if (client.ReadUntil(">").ends_with("\r\n\r\n" + body)) ++answered;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(answered, 1600);
}

}  // namespace
}  // namespace enclave::net
