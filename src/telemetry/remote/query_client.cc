#include "telemetry/remote/query_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <deque>
#include <future>
#include <utility>

#include "base/check.h"
#include "base/quote.h"

namespace enclave::telemetry::remote {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Fail;

constexpr std::array<std::chrono::milliseconds, 2> kPauses = {std::chrono::milliseconds(100),
                                                              std::chrono::milliseconds(500)};

bool MayPass(const base::Result<net::Response>& answer) {
  if (!answer) return answer.error().kind() == ErrorKind::kUnavailable;
  return answer->status == 429 || answer->status == 502 || answer->status == 503 ||
         answer->status == 504;
}

ErrorKind KindOfStatus(int status) {
  switch (status) {
    case 400:
    case 422:
      return ErrorKind::kInvalidArgument;
    case 401:
      return ErrorKind::kUnauthenticated;
    case 403:
      return ErrorKind::kPermissionDenied;
    case 404:
      return ErrorKind::kNotFound;
    case 413:
      return ErrorKind::kTooLarge;
    case 429:
      return ErrorKind::kResourceExhausted;
    default:
      return ErrorKind::kUnavailable;
  }
}

std::string_view PathOf(const std::string& target) {
  return std::string_view(target).substr(0, target.find('?'));
}

base::Result<std::string> BodyOf(const std::string& url, const std::string& target,
                                 base::Result<net::Response> answer) {
  if (!answer) return Fail(answer.error().While(fmt::format("asking {}{}", url, PathOf(target))));
  if (answer->status == 200) return std::move(answer->body);
  constexpr std::size_t kShown = 300;
  return Fail(KindOfStatus(answer->status),
              fmt::format("{}{} answers {}: {}", url, PathOf(target), answer->status,
                          base::Quote(std::string_view(answer->body).substr(0, kShown))));
}

asio::awaitable<base::Result<net::Response>> SendAgain(net::HttpClient& http,
                                                       net::ClientRequest request) {
  base::Result<net::Response> answer = co_await http.Send(request);
  for (const auto pause : kPauses) {
    if (!MayPass(answer)) break;
    asio::steady_timer timer(co_await asio::this_coro::executor, pause);
    co_await timer.async_wait(asio::use_awaitable);
    answer = co_await http.Send(request);
  }
  co_return answer;
}

base::Result<net::Response> WaitFor(net::EventLoop& loop,
                                    std::future<base::Result<net::Response>>& answer) {
  while (answer.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready)
    if (loop.context().stopped())
      return Fail(ErrorKind::kUnavailable, "waiting for an answer: the loop has stopped");
  try {
    return answer.get();
  } catch (const std::exception& failure) {
    return Fail(ErrorKind::kUnavailable, fmt::format("sending a request: {}", failure.what()));
  }
}

}  // namespace

base::Result<std::unique_ptr<QueryClient>> QueryClient::Create(net::EventLoop& loop,
                                                               Endpoint endpoint,
                                                               std::size_t connections) {
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  auto http = net::HttpClient::Create(loop, {.base_url = endpoint.url,
                                             .tls = endpoint.tls,
                                             .max_idle_connections = connections,
                                             .max_body_bytes = endpoint.max_bytes});
  if (!http) return Fail(std::move(http).error());
  return std::unique_ptr<QueryClient>(
      new QueryClient(loop, std::move(endpoint), connections, *std::move(http)));
}

QueryClient::QueryClient(net::EventLoop& loop, Endpoint endpoint, std::size_t connections,
                         std::unique_ptr<net::HttpClient> http)
    : loop_(loop),
      endpoint_(std::move(endpoint)),
      connections_(connections),
      http_(std::move(http)) {}

net::ClientRequest QueryClient::Request(const std::string& target,
                                        const net::Headers& headers) const {
  net::ClientRequest request{
      .target = target, .headers = endpoint_.headers, .body = {}, .timeout = endpoint_.timeout};
  request.headers.insert(headers.begin(), headers.end());
  return request;
}

base::Result<std::string> QueryClient::Ask(const net::ClientRequest& request) {
  CHECK(!loop_.context().get_executor().running_in_this_thread(),
        "a thread of the loop cannot wait for what the loop has to do");
  std::future<base::Result<net::Response>> answer =
      asio::co_spawn(loop_.context(), SendAgain(*http_, request), asio::use_future);
  return BodyOf(endpoint_.url, request.target, WaitFor(loop_, answer));
}

base::Result<std::string> QueryClient::Get(const std::string& target, const net::Headers& headers) {
  return Ask(Request(target, headers));
}

base::Result<std::string> QueryClient::PostForm(const std::string& path, const std::string& form) {
  net::ClientRequest request =
      Request(path, {{"Content-Type", "application/x-www-form-urlencoded"}});
  request.method = "POST";
  request.body = form;
  return Ask(request);
}

void QueryClient::GetEach(
    const std::vector<std::string>& targets, const net::Headers& headers,
    const std::function<bool(std::size_t index, base::Result<std::string> body)>& take) {
  CHECK(!loop_.context().get_executor().running_in_this_thread(),
        "a thread of the loop cannot wait for what the loop has to do");
  std::deque<std::future<base::Result<net::Response>>> under_way;
  std::size_t asked = 0;
  bool wanted = true;
  for (std::size_t i = 0; i < targets.size() && (wanted || !under_way.empty()); ++i) {
    while (wanted && asked < targets.size() && under_way.size() < connections_) {
      under_way.push_back(asio::co_spawn(loop_.context(),
                                         SendAgain(*http_, Request(targets[asked++], headers)),
                                         asio::use_future));
    }
    auto answer = BodyOf(endpoint_.url, targets[i], WaitFor(loop_, under_way.front()));
    under_way.pop_front();
    // What is under way is waited for: it uses this client.
    if (wanted) wanted = take(i, std::move(answer));
  }
}

std::string QueryString(const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text += '&';
    text += net::PercentEncode(name) + '=' + net::PercentEncode(value);
  }
  return text;
}

}  // namespace enclave::telemetry::remote
