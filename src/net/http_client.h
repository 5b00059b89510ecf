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
  // Whole exchange, connecting included; zero: none once connected (for watches).
  std::chrono::milliseconds timeout{30'000};
};

struct HttpClientOptions {
  // "https://127.0.0.1:6443", "http://[::1]:80/prefix", "unix:///run/some.sock"
  std::string base_url;
  TlsClientConfig tls;
  std::size_t max_idle_connections = 4;
  std::size_t max_body_bytes = 64 << 20;  // of Send; Stream keeps nothing
};

// May be destroyed while exchanges are under way: they go on to their end.
class HttpClient {
 public:
  // kInvalidArgument for a URL or TLS configuration that cannot be used. The loop outlives the
  // client and its exchanges.
  static base::Result<std::unique_ptr<HttpClient>> Create(EventLoop& loop,
                                                          HttpClientOptions options);
  virtual ~HttpClient() = default;

  // Any HTTP status is a value; an Error means no whole answer came (kUnavailable,
  // kDeadlineExceeded, kTooLarge, kUnauthenticated for a failed certificate check, kCancelled when
  // the calling coroutine was cancelled). A request on a
  // pooled connection that the server had closed is repeated once on a new one when nothing of an
  // answer was read.
  virtual boost::asio::awaitable<base::Result<Response>> Send(ClientRequest request) = 0;
  // Calls `on_data` for each piece of the body as it comes; false from it ends the exchange. The
  // value has status and headers. A body that breaks off is an Error, whatever was handed over.
  virtual boost::asio::awaitable<base::Result<Response>> Stream(
      ClientRequest request,
      std::function<bool(const Response& head, std::string_view data)> on_data) = 0;

  // Blocking form for threads that are not the loop's own.
  virtual base::Result<Response> SendAndWait(ClientRequest request) = 0;
};

}  // namespace enclave::net
