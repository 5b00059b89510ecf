#include "cluster/api/exchange.h"

#include <memory>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "kube/status.h"

namespace enclave::cluster {
namespace asio = boost::asio;
using kube::Json;

net::Response JsonResponse(int status, const Json& body) {
  net::Response response{.status = status};
  response.headers["Content-Type"] = "application/json";
  response.headers["Cache-Control"] = "no-cache, private";
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  response.body += '\n';
  return response;
}

net::Response TextResponse(int status, std::string text) {
  net::Response response{.status = status};
  response.headers["Content-Type"] = "text/plain; charset=utf-8";
  response.headers["Cache-Control"] = "no-cache, private";
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.body = std::move(text);
  return response;
}

net::Response ErrorResponse(const base::Error& error, const kube::StatusDetails& details) {
  const Json status = kube::ToStatus(error, details);
  net::Response response = JsonResponse(kube::HttpStatusOf(error.kind()), status);
  if (error.kind() == base::ErrorKind::kResourceExhausted) response.headers["Retry-After"] = "1";
  return response;
}

net::Response StatusResponse(int status, const std::string& message) {
  const base::Error error = kube::FromHttpAnswer(status, "");
  net::Response response = ErrorResponse(base::Error(error.kind(), message));
  // The code stays the one that HTTP asks for, also where no kind of error has it (408, 431).
  if (response.status != status) {
    Json body = kube::ToStatus(base::Error(error.kind(), message));
    body["code"] = status;
    response = JsonResponse(status, body);
  }
  return response;
}

asio::awaitable<WriteResult> AwaitWrite(std::function<void(WriteCallback)> start) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto initiate = [executor, &start](auto handler) {
    // std::function wants to copy what it holds.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    start([executor, shared](WriteResult result) {
      asio::post(executor, [shared, result = std::move(result)]() mutable {
        std::move (*shared)(std::move(result));
      });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(WriteResult)>(
      std::move(initiate), asio::use_awaitable);
}

}  // namespace enclave::cluster
