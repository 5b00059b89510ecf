// HTTP/1.1 client on Asio coroutines: keep-alive pool per origin, TLS, unix sockets, deadlines,
// streaming.
//
// Thread safety: a client may be used from any thread; the coroutine forms run on the caller's
// executor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/tls.h"

namespace enclave::net {

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{30'000};  // whole exchange; zero: none (for watches)
};

struct HttpClientOptions {
  std::string base_url;  // "https://127.0.0.1:6443", "http://127.0.0.1:80"
  TlsClientConfig tls;
  std::size_t max_idle_connections = 4;
  std::size_t max_body_bytes = 64 << 20;
};

class HttpClient {
 public:
  static base::Result<std::unique_ptr<HttpClient>> Create(EventLoop& loop,
                                                          HttpClientOptions options);
  virtual ~HttpClient() = default;

  // Any HTTP status is a value; an Error means no whole answer came (kUnavailable,
  // kDeadlineExceeded, kTooLarge, kUnauthenticated for a failed certificate check). A request on a
  // pooled connection that the server had closed is repeated once on a new one when nothing of an
  // answer was read.
  virtual boost::asio::awaitable<base::Result<Response>> Send(ClientRequest request) = 0;
  // Calls `on_data` for each piece of the body as it comes; false from it ends the exchange.
  virtual boost::asio::awaitable<base::Result<Response>> Stream(
      ClientRequest request,
      std::function<bool(const Response& head, std::string_view data)> on_data) = 0;

  // Blocking forms for threads that are not the loop's own.
  virtual base::Result<Response> SendAndWait(ClientRequest request) = 0;
};

}  // namespace enclave::net
