// One connection of the HTTP client and the clock over an exchange, for the .cc files of this
// folder only.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "net/transport.h"
#include "net/url.h"

namespace enclave::net {

// Ends whatever an exchange waits for once its time is over. It does so by shutting the socket
// down, which any thread may: coroutines then need no strand, and run where their caller runs.
class Deadline {
 public:
  explicit Deadline(boost::asio::io_context& context);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // From now on; zero: none. Once expired it stays so.
  void Set(std::chrono::milliseconds limit);
  bool expired() const;
  // What is left; max() when there is no limit.
  std::chrono::nanoseconds left() const;

  // The descriptor that an expiry shuts down; -1: none.
  void Guard(int fd);

 private:
  struct State {
    mutable std::mutex mutex;
    std::uint64_t round = 0;
    bool expired = false;
    int fd = -1;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
  boost::asio::steady_timer timer_;
  bool limited_ = false;
};

class ClientConnection {
 public:
  // Resolves, connects and, with `tls`, shakes hands. `server_name` is what the certificate must
  // name; empty: not checked.
  static boost::asio::awaitable<base::Result<std::unique_ptr<ClientConnection>>> Open(
      boost::asio::io_context& context, const Origin& origin, SSL_CTX* tls,
      const std::string& server_name, Deadline& deadline);

  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // kUnavailable when the connection broke, kCancelled when the coroutine was cancelled.
  boost::asio::awaitable<base::Result<>> WriteAll(std::string_view first, std::string_view second);
  // Some bytes; 0 when the peer has closed in order.
  boost::asio::awaitable<base::Result<std::size_t>> ReadSome(char* data, std::size_t size);

  // Open, and nothing has come that nobody asked for.
  bool IsReusable();
  // A close that may have been forged, by someone between us and the peer, ended the input.
  bool ended_without_notice() const { return transport_.is_tls() && !transport_.error().empty(); }
  int fd() { return socket_.native_handle(); }

  std::chrono::steady_clock::time_point idle_since;

 private:
  using Socket = boost::asio::generic::stream_protocol::socket;

  explicit ClientConnection(boost::asio::io_context& context) : socket_(context) {}
  boost::asio::awaitable<base::Result<>> Connect(
      boost::asio::generic::stream_protocol::endpoint endpoint, Deadline& deadline);
  boost::asio::awaitable<base::Result<>> Handshake(SSL_CTX* tls, std::string server_name);
  boost::asio::awaitable<base::Result<>> Wait(IoStatus status);
  std::unexpected<base::Error> Broken(std::string_view doing) const;

  Socket socket_;
  Transport transport_;
};

}  // namespace enclave::net
