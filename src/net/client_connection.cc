#include "net/client_connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/tls_context.h"

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorKind;
using base::Result;
using Endpoint = asio::generic::stream_protocol::endpoint;
using Strand = asio::strand<asio::io_context::executor_type>;

// A name look-up blocks in the system and cannot be interrupted: it is waited for no longer than
// `limit`, and its late answer is dropped.
asio::awaitable<Result<std::vector<Endpoint>>> Resolve(Strand strand, std::string host,
                                                       std::uint16_t port,
                                                       std::chrono::nanoseconds limit) {
  struct Lookup {
    explicit Lookup(const Strand& on) : resolver(on), wake(on) {}
    tcp::resolver resolver;
    asio::steady_timer wake;
    bool done = false;
    boost::system::error_code error;
    std::vector<Endpoint> endpoints;
  };
  const auto lookup = std::make_shared<Lookup>(strand);
  if (limit == std::chrono::nanoseconds::max()) {
    lookup->wake.expires_at(asio::steady_timer::time_point::max());
  } else {
    lookup->wake.expires_after(limit);
  }
  lookup->resolver.async_resolve(
      host, std::to_string(port),
      asio::bind_executor(strand, [lookup](const boost::system::error_code& ec,
                                           const tcp::resolver::results_type& results) {
        lookup->done = true;
        lookup->error = ec;
        for (const auto& entry : results) lookup->endpoints.emplace_back(entry.endpoint());
        lookup->wake.cancel();
      }));
  co_await lookup->wake.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!lookup->done) {
    co_return base::Fail(ErrorKind::kDeadlineExceeded,
                         fmt::format("looking up '{}': no answer in time", host));
  }
  if (lookup->error) {
    co_return base::Fail(ErrorKind::kUnavailable,
                         fmt::format("looking up '{}': {}", host, lookup->error.message()));
  }
  co_return std::move(lookup->endpoints);
}

}  // namespace

Deadline::Deadline(asio::io_context& context) : timer_(context) {}

Deadline::~Deadline() {
  Guard(-1);
}

void Deadline::Set(std::chrono::milliseconds limit) {
  std::uint64_t round = 0;
  {
    const std::lock_guard lock(state_->mutex);
    round = ++state_->round;
  }
  limited_ = limit != std::chrono::milliseconds::zero();
  if (!limited_) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(limit);
  timer_.async_wait([state = state_, round](const boost::system::error_code& ec) {
    if (ec) return;
    const std::lock_guard lock(state->mutex);
    if (state->round != round) return;
    state->expired = true;
    if (state->fd >= 0) shutdown(state->fd, SHUT_RDWR);
  });
}

bool Deadline::expired() const {
  const std::lock_guard lock(state_->mutex);
  return state_->expired;
}

std::chrono::nanoseconds Deadline::left() const {
  if (!limited_) return std::chrono::nanoseconds::max();
  return timer_.expiry() - std::chrono::steady_clock::now();
}

void Deadline::Guard(int fd) {
  const std::lock_guard lock(state_->mutex);
  state_->fd = fd;
  if (fd >= 0 && state_->expired) shutdown(fd, SHUT_RDWR);
}

asio::awaitable<Result<std::unique_ptr<ClientConnection>>> ClientConnection::Open(
    asio::io_context& context, const Origin& origin, SSL_CTX* tls, const std::string& server_name,
    Deadline& deadline) {
  std::vector<Endpoint> endpoints;
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(origin.host, not_an_address);
  if (!origin.unix_path.empty()) {
    if (origin.unix_path.size() >= 108) {
      co_return base::Fail(
          ErrorKind::kInvalidArgument,
          fmt::format("connecting to '{}': the path is too long for a socket", origin.unix_path));
    }
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(origin.unix_path));
  } else if (!not_an_address) {
    endpoints.emplace_back(tcp::endpoint(address, origin.port));
  } else {
    const Strand strand(context.get_executor());
    auto resolved = co_await asio::co_spawn(
        strand, Resolve(strand, origin.host, origin.port, deadline.left()), asio::use_awaitable);
    if (!resolved) co_return base::Fail(std::move(resolved).error());
    endpoints = std::move(*resolved);
  }
  const std::string& shown = origin.unix_path.empty() ? origin.authority : origin.unix_path;
  Result<> last = base::Fail(ErrorKind::kUnavailable, "it has no address");
  for (const Endpoint& endpoint : endpoints) {
    std::unique_ptr<ClientConnection> connection(new ClientConnection(context));
    last = co_await connection->Connect(endpoint, deadline);
    if (last && tls != nullptr) last = co_await connection->Handshake(tls, server_name);
    if (last) co_return connection;
    deadline.Guard(-1);  // before the descriptor is closed
    if (deadline.expired() || last.error().kind() == ErrorKind::kCancelled) break;
  }
  co_return base::Fail(last.error().While("connecting to " + shown));
}

asio::awaitable<Result<>> ClientConnection::Connect(Endpoint endpoint, Deadline& deadline) {
  boost::system::error_code ec;
  socket_.open(endpoint.protocol(), ec);
  if (!ec) socket_.native_non_blocking(true, ec);
  if (ec) co_return base::Fail(ErrorKind::kResourceExhausted, ec.message());
  const int fd = socket_.native_handle();
  transport_.Attach(fd);
  deadline.Guard(fd);
  if (endpoint.protocol().family() != AF_UNIX) {
    const int yes = 1;
    const int keep_idle_seconds = 60;
    const int keep_interval_seconds = 15;
    const int keep_count = 4;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keep_idle_seconds, sizeof keep_idle_seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keep_interval_seconds,
               sizeof keep_interval_seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keep_count, sizeof keep_count);
  }
  const auto [failed] =
      co_await socket_.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
  if (failed == asio::error::operation_aborted) {
    co_return base::Fail(ErrorKind::kCancelled, "the caller gave up");
  }
  if (failed) co_return base::Fail(ErrorKind::kUnavailable, failed.message());
  co_return Result<>();
}

asio::awaitable<Result<>> ClientConnection::Handshake(SSL_CTX* tls, std::string server_name) {
  if (auto started = transport_.StartTls(tls, false); !started) co_return started;
  if (!server_name.empty()) {
    if (auto expected = ExpectServerName(transport_.ssl(), server_name); !expected) {
      co_return expected;
    }
  }
  while (true) {
    const IoResult result = transport_.Handshake();
    switch (result.status) {
      case IoStatus::kOk:
        co_return Result<>();
      case IoStatus::kWantRead:
      case IoStatus::kWantWrite:
        if (auto ready = co_await Wait(result.status); !ready) co_return ready;
        break;
      case IoStatus::kClosed:
      case IoStatus::kFailed:
        co_return base::Fail(transport_.certificate_refused() ? ErrorKind::kUnauthenticated
                                                              : ErrorKind::kUnavailable,
                             "TLS handshake: " + transport_.error());
    }
  }
}

asio::awaitable<Result<>> ClientConnection::Wait(IoStatus status) {
  const auto kind = status == IoStatus::kWantWrite ? Socket::wait_write : Socket::wait_read;
  const auto [ec] = co_await socket_.async_wait(kind, asio::as_tuple(asio::use_awaitable));
  if (ec == asio::error::operation_aborted) {
    co_return base::Fail(ErrorKind::kCancelled, "the caller gave up");
  }
  if (ec) co_return base::Fail(ErrorKind::kUnavailable, ec.message());
  co_return Result<>();
}

std::unexpected<base::Error> ClientConnection::Broken(std::string_view doing) const {
  return base::Fail(ErrorKind::kUnavailable,
                    fmt::format("{}: {}", doing,
                                transport_.error().empty() ? "the server closed the connection"
                                                           : transport_.error()));
}

asio::awaitable<Result<>> ClientConnection::WriteAll(std::string_view first,
                                                     std::string_view second) {
  while (!first.empty() || !second.empty()) {
    const IoResult wrote = transport_.Write(first, second);
    switch (wrote.status) {
      case IoStatus::kOk: {
        const std::size_t of_first = std::min(wrote.bytes, first.size());
        first.remove_prefix(of_first);
        second.remove_prefix(wrote.bytes - of_first);
        break;
      }
      case IoStatus::kWantRead:
      case IoStatus::kWantWrite:
        if (auto ready = co_await Wait(wrote.status); !ready) co_return ready;
        break;
      case IoStatus::kClosed:
      case IoStatus::kFailed:
        co_return Broken("sending the request");
    }
  }
  co_return Result<>();
}

asio::awaitable<Result<std::size_t>> ClientConnection::ReadSome(char* data, std::size_t size) {
  while (true) {
    const IoResult got = transport_.Read(data, size);
    switch (got.status) {
      case IoStatus::kOk:
        co_return got.bytes;
      case IoStatus::kWantRead:
      case IoStatus::kWantWrite:
        if (auto ready = co_await Wait(got.status); !ready) {
          co_return base::Fail(std::move(ready).error());
        }
        break;
      case IoStatus::kClosed:
        co_return std::size_t{0};
      case IoStatus::kFailed:
        co_return Broken("reading the answer");
    }
  }
}

bool ClientConnection::IsReusable() {
  char unexpected = 0;
  return transport_.Read(&unexpected, 1).status == IoStatus::kWantRead;
}

}  // namespace enclave::net
