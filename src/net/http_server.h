// HTTP/1.1 server on Asio coroutines, with or without TLS.
//
// Bounds: header size, body size, time to finish TLS handshake and a request, idle time, number of
// connections (the longest idle one gives way to a new one). A client that breaks one of them gets
// a clear answer through Options::on_bad_request where HTTP still allows one, then the connection
// is closed.
//
// Thread safety: handlers of different connections run concurrently when the loop has several
// threads; one connection's handler runs on that connection's strand.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/result.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/tls.h"

namespace enclave::net {

// Answers one request: either Send once, or Begin, Write any number of times, End. Used by one
// coroutine at a time. HEAD and statuses without a body are taken care of: what would be the body
// is not sent.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  // A whole answer with Content-Length.
  virtual boost::asio::awaitable<base::Result<>> Send(Response response) = 0;
  // A chunked answer; response.body is ignored.
  virtual boost::asio::awaitable<base::Result<>> Begin(Response response) = 0;
  // Each returns an error once the client is gone: the handler then returns.
  virtual boost::asio::awaitable<base::Result<>> Write(std::string_view data) = 0;
  virtual boost::asio::awaitable<base::Result<>> End() = 0;
  // True once the peer has closed; checked by handlers that wait between writes.
  virtual bool closed() const = 0;
};

// Exceptions that leave a handler are answered with 500 and logged. When the client closes while a
// handler waits for whatever it awaits, the handler's coroutine is cancelled (asio terminal
// cancellation): the wait ends with operation_aborted, and so does each co_await after it.
using Handler = std::function<boost::asio::awaitable<void>(Request&, ResponseWriter&)>;

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;                // 0: the system chooses
  const TlsServerConfig* tls = nullptr;  // null: plain HTTP; read while starting only
  std::size_t max_header_bytes = 64 << 10;
  std::size_t max_body_bytes = 3 << 20;
  // Over all requests being read; a request that would pass it is answered with 503.
  std::size_t max_total_body_bytes = 256 << 20;
  std::size_t max_connections = 4096;
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds request_timeout{30'000};  // from a request's first byte to its last
  std::chrono::milliseconds idle_timeout{300'000};
  std::chrono::milliseconds write_timeout{30'000};  // one Write that makes no progress
  // Makes the answer for what the handler does not answer: bad input (400, 408, 413, 417, 431),
  // too much of it at once (503), a handler that failed (500). Unset: a line of plain text.
  std::function<Response(int status, const std::string& message)> on_bad_request;
};

class HttpServer {
 public:
  // Binds and starts to accept. The loop outlives the server. kUnavailable when the address cannot
  // be bound, kInvalidArgument for an address or TLS configuration that cannot be used.
  static base::Result<std::unique_ptr<HttpServer>> Start(EventLoop& loop, HttpServerOptions options,
                                                         Handler handler);
  // Stops accepting, cancels handlers, closes connections, waits until they are gone (unless the
  // loop was stopped before). Not from a thread of the loop.
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  virtual std::size_t connections() const = 0;
};

}  // namespace enclave::net
