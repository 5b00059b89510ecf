#include "net/http_client.h"

#include <array>
#include <exception>
#include <future>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/check.h"
#include "net/client_connection.h"
#include "net/http_format.h"
#include "net/http_parser.h"
#include "net/tls_context.h"

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Result;

constexpr std::size_t kMaxHeaderBytes = 256 << 10;
constexpr std::size_t kBodyReadBytes = 16 << 10;
// Servers drop idle connections after a minute or more; ours after five.
constexpr std::chrono::seconds kMaxIdle{50};
// For requests without a limit of their own, which means their answers.
constexpr std::chrono::milliseconds kConnectTimeout{10'000};

using OnData = std::function<bool(const Response& head, std::string_view data)>;

// Shared by the client and its exchanges.
struct ClientCore {
  ClientCore(EventLoop& event_loop, HttpClientOptions client_options, Origin parsed,
             SslContextPtr context)
      : loop(event_loop),
        options(std::move(client_options)),
        origin(std::move(parsed)),
        tls(std::move(context)) {}

  // A pooled connection that still looks alive; null when there is none.
  std::unique_ptr<ClientConnection> Take() {
    const auto oldest = std::chrono::steady_clock::now() - kMaxIdle;
    while (true) {
      std::unique_ptr<ClientConnection> connection;
      {
        const std::lock_guard lock(mutex);
        if (idle.empty()) return nullptr;
        connection = std::move(idle.back());
        idle.pop_back();
      }
      if (connection->idle_since > oldest && connection->IsReusable()) return connection;
    }
  }

  void Give(std::unique_ptr<ClientConnection> connection) {
    connection->idle_since = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex);
    if (idle.size() < options.max_idle_connections) idle.push_back(std::move(connection));
  }

  EventLoop& loop;
  const HttpClientOptions options;
  const Origin origin;
  const SslContextPtr tls;

  std::mutex mutex;
  std::vector<std::unique_ptr<ClientConnection>> idle;
};

// What came of one try over one connection.
struct Attempt {
  Result<Response> result;
  bool answer_begun = false;
  bool reusable = false;
  bool ended_with_connection = false;  // so that our own shutdown looks like its end
};

std::string ParseFailure(const ResponseParser& parser) {
  return "reading the answer: " +
         (parser.error() == boost::beast::http::error::end_of_stream ||
                  parser.error() == boost::beast::http::error::partial_message
              ? std::string("the server closed before its end")
              : "it is not valid HTTP/1.1: " + parser.error().message());
}

asio::awaitable<Attempt> Exchange(ClientConnection& connection, const ClientCore& core,
                                  const ClientRequest& request, const OnData& on_data,
                                  std::size_t max_body_bytes) {
  Attempt attempt{Response()};
  std::string head = FormatRequestHead(request.method, core.origin.prefix + request.target,
                                       request.headers, core.origin.authority, request.body.size());
  std::string_view body = request.body;
  if (body.size() <= kBodyReadBytes) {
    head.append(body);
    body = {};
  }
  // A server may answer and close before it has read a large body: its answer counts, not the
  // failed write.
  const Result<> written = co_await connection.WriteAll(head, body);
  if (!written && written.error().kind() == ErrorKind::kCancelled) {
    attempt.result = base::Fail(written.error());
    co_return attempt;
  }

  std::string buffer(kBodyReadBytes, '\0');
  std::string pending;
  Response response;
  const auto make_parser = [&] {
    return std::make_unique<ResponseParser>(
        &response, [&](std::string_view data) { return on_data(response, data); },
        request.method == "HEAD", kMaxHeaderBytes, max_body_bytes);
  };
  auto parser = make_parser();
  while (parser->status() == ParseStatus::kNeedMore) {
    const auto got = co_await connection.ReadSome(buffer.data(), buffer.size());
    if (!got) {
      attempt.result = base::Fail(written ? got.error() : written.error());
      co_return attempt;
    }
    if (*got == 0) {
      parser->FeedEnd();
      if (parser->status() == ParseStatus::kDone && connection.ended_without_notice()) {
        attempt.result = base::Fail(ErrorKind::kUnavailable,
                                    "reading the answer: TLS ended without a word, so that the "
                                    "answer may have been cut short");
        co_return attempt;
      }
      break;
    }
    attempt.answer_begun = true;
    std::string_view data(buffer.data(), *got);
    if (!pending.empty()) {
      pending.append(data);
      data = pending;
    }
    std::size_t used = parser->Feed(data);
    // Interim answers (100 Continue, 103 Early Hints) come before the one that counts.
    while (parser->status() == ParseStatus::kDone && response.status / 100 == 1 &&
           response.status != 101) {
      response = {};
      parser = make_parser();
      used += parser->Feed(data.substr(used));
    }
    pending = std::string(data.substr(used));
  }
  switch (parser->status()) {
    case ParseStatus::kDone:
      attempt.ended_with_connection = parser->ends_with_connection();
      attempt.reusable = written && parser->keep_alive() && !parser->ends_with_connection() &&
                         pending.empty() && response.status != 101;
      attempt.result = std::move(response);
      break;
    case ParseStatus::kNeedMore:
    case ParseStatus::kFailed:
      if (parser->stopped()) {
        attempt.result = std::move(response);
      } else if (parser->error() == boost::beast::http::error::body_limit) {
        attempt.result = base::Fail(
            ErrorKind::kTooLarge,
            fmt::format("reading the answer: it is larger than {} bytes", max_body_bytes));
      } else {
        attempt.result =
            base::Fail(written ? base::Error(ErrorKind::kUnavailable, ParseFailure(*parser))
                               : written.error());
      }
      break;
  }
  co_return attempt;
}

asio::awaitable<Result<Response>> Run(std::shared_ptr<ClientCore> core, ClientRequest request,
                                      OnData on_data, std::size_t max_body_bytes) {
  const auto explain = [&](const base::Error& error) {
    return base::Fail(error.While(fmt::format("{} {}{}", request.method, core->options.base_url,
                                              request.target.substr(0, request.target.find('?')))));
  };
  // Declared before the deadline, which must let go of a descriptor before it is closed.
  std::unique_ptr<ClientConnection> connection = core->Take();
  Deadline deadline(core->loop.context());
  const bool is_limited = request.timeout > std::chrono::milliseconds::zero();
  deadline.Set(is_limited ? request.timeout : kConnectTimeout);
  while (true) {
    const bool is_pooled = connection != nullptr;
    if (is_pooled) {
      deadline.Guard(connection->fd());
    } else {
      const std::string& name = core->options.tls.server_name;
      auto opened =
          co_await ClientConnection::Open(core->loop.context(), core->origin, core->tls.get(),
                                          core->options.tls.insecure_skip_verify ? ""
                                          : name.empty()                         ? core->origin.host
                                                                                 : name,
                                          deadline);
      if (!opened) {
        co_return explain(deadline.expired()
                              ? base::Error(ErrorKind::kDeadlineExceeded, "no connection in time")
                              : opened.error());
      }
      connection = std::move(*opened);
    }
    if (!is_limited) deadline.Set(std::chrono::milliseconds::zero());
    Attempt attempt = co_await Exchange(*connection, *core, request, on_data, max_body_bytes);
    deadline.Guard(-1);  // before the descriptor is closed or given away
    if (deadline.expired()) {
      if (attempt.result && !attempt.ended_with_connection) co_return std::move(attempt.result);
      co_return explain(base::Error(ErrorKind::kDeadlineExceeded, "no whole answer in time"));
    }
    if (attempt.result) {
      if (attempt.reusable) core->Give(std::move(connection));
      co_return std::move(attempt.result);
    }
    const bool was_stale = is_pooled && !attempt.answer_begun &&
                           attempt.result.error().kind() == ErrorKind::kUnavailable;
    if (!was_stale) co_return explain(attempt.result.error());
    connection.reset();
    if (!is_limited) deadline.Set(kConnectTimeout);
  }
}

// The body goes into the response that comes back.
asio::awaitable<Result<Response>> RunWhole(std::shared_ptr<ClientCore> core,
                                           ClientRequest request) {
  std::string body;
  const std::size_t max_body_bytes = core->options.max_body_bytes;
  auto result = co_await Run(
      std::move(core), std::move(request),
      [&body](const Response&, std::string_view data) {
        body.append(data);
        return true;
      },
      max_body_bytes);
  if (result) {
    result->body = std::move(body);
    // Lengths that chunks add up to are only known now.
    if (result->body.size() > max_body_bytes) {
      co_return base::Fail(ErrorKind::kTooLarge, "the answer is too large");
    }
  }
  co_return result;
}

class Client final : public HttpClient {
 public:
  explicit Client(std::shared_ptr<ClientCore> core) : core_(std::move(core)) {}

  asio::awaitable<Result<Response>> Send(ClientRequest request) override {
    return RunWhole(core_, std::move(request));
  }

  asio::awaitable<Result<Response>> Stream(ClientRequest request, OnData on_data) override {
    return Run(core_, std::move(request), std::move(on_data),
               std::numeric_limits<std::size_t>::max());
  }

  Result<Response> SendAndWait(ClientRequest request) override {
    asio::io_context& context = core_->loop.context();
    CHECK(!context.get_executor().running_in_this_thread(),
          "a thread of the loop cannot wait for what the loop has to do");
    std::future<Result<Response>> answer =
        asio::co_spawn(context, RunWhole(core_, std::move(request)), asio::use_future);
    while (answer.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready) {
      if (context.stopped()) {
        return base::Fail(ErrorKind::kUnavailable, "waiting for an answer: the loop has stopped");
      }
    }
    try {
      return answer.get();
    } catch (const std::exception& failure) {
      return base::Fail(ErrorKind::kInternal, fmt::format("sending a request: {}", failure.what()));
    }
  }

 private:
  const std::shared_ptr<ClientCore> core_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::Create(EventLoop& loop, HttpClientOptions options) {
  ASSIGN_OR_RETURN(Origin origin, ParseOrigin(options.base_url));
  SslContextPtr tls;
  if (origin.is_tls) {
    auto made = MakeClientContext(options.tls);
    if (!made) return base::Fail(made.error().While("making a client of " + options.base_url));
    tls = std::move(*made);
  }
  return std::make_unique<Client>(
      std::make_shared<ClientCore>(loop, std::move(options), std::move(origin), std::move(tls)));
}

}  // namespace enclave::net
