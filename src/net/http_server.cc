#include "net/http_server.h"

#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/log.h"
#include "net/http_connection.h"
#include "net/tls_context.h"

namespace enclave::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorKind;
using base::Result;

ServerCore::ServerCore(EventLoop& event_loop, HttpServerOptions server_options,
                       Handler request_handler, SslContextPtr tls_context)
    : loop(event_loop),
      options(std::move(server_options)),
      handler(std::move(request_handler)),
      tls(std::move(tls_context)) {}

asio::any_io_executor ServerCore::MakeExecutor() const {
  // One thread is a strand by itself.
  if (loop.threads() == 1) return loop.context().get_executor();
  return asio::make_strand(loop.context());
}

bool ServerCore::Admit(const std::shared_ptr<Connection>& connection) {
  std::shared_ptr<Connection> victim;  // may be the last owner, whose destructor takes the lock
  const std::lock_guard lock(mutex_);
  if (stopping) return false;
  if (connections_.size() - evicting_ >= options.max_connections) {
    victim = ChooseVictimLocked();
    if (!victim) return false;
    victim->PostEvict();
  }
  connection->place = connections_.insert(connections_.end(), connection.get());
  connection->admitted = true;
  return true;
}

void ServerCore::Remove(Connection* connection) {
  const std::lock_guard lock(mutex_);
  if (!connection->admitted) return;
  connections_.erase(connection->place);
  if (connection->evicting) --evicting_;
  connection->admitted = false;
}

void ServerCore::NoteIdle(Connection* connection) {
  const std::lock_guard lock(mutex_);
  if (connection->admitted) {
    connections_.splice(connections_.end(), connections_, connection->place);
  }
}

void ServerCore::Keep(Connection* connection) {
  const std::lock_guard lock(mutex_);
  if (connection->evicting) --evicting_;
  connection->evicting = false;
}

bool ServerCore::EvictOne() {
  std::shared_ptr<Connection> victim;  // as in Admit
  const std::lock_guard lock(mutex_);
  victim = ChooseVictimLocked();
  if (victim) victim->PostEvict();
  return victim != nullptr;
}

std::shared_ptr<Connection> ServerCore::ChooseVictimLocked() {
  // Those that owe us nothing go first; one in the middle of its request only when there is no
  // other; one that is being answered never.
  Connection* victim = nullptr;
  for (Connection* const candidate : connections_) {
    if (candidate->evicting) continue;
    const auto state = candidate->state();
    if (state == Connection::State::kHandshake || state == Connection::State::kIdle ||
        state == Connection::State::kLingering) {
      victim = candidate;
      break;
    }
    if (state == Connection::State::kReading && victim == nullptr) victim = candidate;
  }
  if (victim == nullptr) return nullptr;
  std::shared_ptr<Connection> alive = victim->weak_from_this().lock();
  if (alive) {
    alive->evicting = true;
    ++evicting_;
  }
  return alive;
}

void ServerCore::Sweep() {
  const std::int64_t now =
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  std::vector<std::shared_ptr<Connection>> due;
  {
    const std::lock_guard lock(mutex_);
    for (Connection* const connection : connections_) {
      if (connection->deadline_ns() > now) continue;
      if (auto alive = connection->weak_from_this().lock()) due.push_back(std::move(alive));
    }
  }
  for (const auto& connection : due) connection->PostDeadline();
}

void ServerCore::CloseAll() {
  std::vector<std::shared_ptr<Connection>> all;
  {
    const std::lock_guard lock(mutex_);
    for (Connection* const connection : connections_) {
      if (auto alive = connection->weak_from_this().lock()) all.push_back(std::move(alive));
    }
  }
  for (const auto& connection : all) connection->PostClose();
}

std::size_t ServerCore::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

void ServerCore::Enter() {
  const std::lock_guard lock(mutex_);
  ++running_;
}

void ServerCore::Leave() {
  const std::lock_guard lock(mutex_);
  if (--running_ == 0) quiet_.notify_all();
}

bool ServerCore::WaitUntilQuiet() {
  std::unique_lock lock(mutex_);
  auto next_report = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (running_ > 0) {
    if (loop.context().stopped()) return false;
    quiet_.wait_for(lock, std::chrono::milliseconds(100));
    const auto now = std::chrono::steady_clock::now();
    if (running_ > 0 && now >= next_report) {
      next_report = now + std::chrono::seconds(5);
      base::LogWarning("http", "stopping waits for handlers that go on after they were cancelled",
                       {{"running", running_}});
    }
  }
  return true;
}

bool ServerCore::ReserveBody(std::size_t bytes) {
  if (body_bytes_.fetch_add(bytes) + bytes <= options.max_total_body_bytes) return true;
  body_bytes_.fetch_sub(bytes);
  return false;
}

void ServerCore::ReleaseBody(std::size_t bytes) {
  if (bytes != 0) body_bytes_.fetch_sub(bytes);
}

namespace {

class Running {
 public:
  explicit Running(ServerCore& core) : core_(core) { core_.Enter(); }
  ~Running() { core_.Leave(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  ServerCore& core_;
};

void TuneSocket(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.native_non_blocking(true, ignored);
  socket.set_option(tcp::no_delay(true), ignored);
  // A peer that vanished without a word is found out within two minutes.
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const auto set = [&socket](int name, int value) {
    setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, 60);
  set(TCP_KEEPINTVL, 15);
  set(TCP_KEEPCNT, 4);
}

bool IsReadable(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, 0) == 1;
}

std::string ToText(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                    : fmt::format("{}:{}", address, endpoint.port());
}

class Server final : public HttpServer {
 public:
  Server(std::shared_ptr<ServerCore> core, tcp::acceptor acceptor, std::uint16_t port)
      : core_(std::move(core)), port_(port), ears_(std::make_shared<Ears>(std::move(acceptor))) {
    const auto executor = ears_->acceptor.get_executor();
    asio::co_spawn(executor, Accept(core_, ears_), asio::detached);
    asio::co_spawn(executor, Sweep(core_, ears_), asio::detached);
  }

  ~Server() override {
    CHECK(!core_->loop.context().get_executor().running_in_this_thread(),
          "a server is not destroyed on its own loop, which it waits for");
    core_->stopping = true;
    asio::post(ears_->acceptor.get_executor(), [ears = ears_] {
      boost::system::error_code ignored;
      ears->acceptor.close(ignored);
      ears->sweep_timer.cancel();
      ears->retry_timer.cancel();
    });
    core_->CloseAll();
    core_->WaitUntilQuiet();
  }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return core_->connections(); }

 private:
  // Used on one executor only.
  struct Ears {
    explicit Ears(tcp::acceptor listening)
        : acceptor(std::move(listening)),
          sweep_timer(acceptor.get_executor()),
          retry_timer(acceptor.get_executor()) {}
    tcp::acceptor acceptor;
    asio::steady_timer sweep_timer;
    asio::steady_timer retry_timer;
  };

  static asio::awaitable<void> Accept(std::shared_ptr<ServerCore> core,
                                      std::shared_ptr<Ears> ears) {
    const Running running(*core);
    constexpr std::chrono::milliseconds kFirstPause{10};
    constexpr std::chrono::milliseconds kLongestPause{1000};
    std::chrono::milliseconds pause = kFirstPause;
    while (!core->stopping) {
      tcp::endpoint peer;
      auto executor = core->MakeExecutor();
      auto [ec, socket] =
          co_await ears->acceptor.async_accept(executor, peer, asio::as_tuple(asio::use_awaitable));
      if (core->stopping || ec == asio::error::operation_aborted) break;
      if (ec == asio::error::connection_aborted) continue;
      if (ec) {
        // Out of descriptors or memory. The kernel says so even when nobody waits to be accepted.
        if (!IsReadable(ears->acceptor.native_handle())) {
          co_await ears->acceptor.async_wait(tcp::acceptor::wait_read,
                                             asio::as_tuple(asio::use_awaitable));
          continue;
        }
        // The connection stays in the kernel's queue, and asking again at once would spin.
        const bool evicted = core->EvictOne();
        if (pause == kFirstPause) {
          base::LogWarning("http", "accepting a connection failed",
                           {{"error", ec.message()}, {"evicted_one", evicted}});
        }
        ears->retry_timer.expires_after(pause);
        pause = std::min(pause * 2, kLongestPause);
        co_await ears->retry_timer.async_wait(asio::as_tuple(asio::use_awaitable));
        continue;
      }
      pause = kFirstPause;
      TuneSocket(socket);
      const auto connection = std::make_shared<Connection>(core, std::move(socket), ToText(peer));
      if (core->Admit(connection)) connection->PostStart();
    }
  }

  static asio::awaitable<void> Sweep(std::shared_ptr<ServerCore> core, std::shared_ptr<Ears> ears) {
    const Running running(*core);
    const HttpServerOptions& options = core->options;
    const auto shortest = std::min({options.handshake_timeout, options.request_timeout,
                                    options.idle_timeout, options.write_timeout});
    const auto period =
        std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
    while (!core->stopping) {
      ears->sweep_timer.expires_after(period);
      co_await ears->sweep_timer.async_wait(asio::as_tuple(asio::use_awaitable));
      core->Sweep();
    }
  }

  const std::shared_ptr<ServerCore> core_;
  const std::uint16_t port_;
  const std::shared_ptr<Ears> ears_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(EventLoop& loop, HttpServerOptions options,
                                                      Handler handler) {
  const std::string doing = fmt::format("listening on {} port {}", options.address, options.port);
  SslContextPtr tls;
  if (options.tls != nullptr) {
    auto made = MakeServerContext(*options.tls);
    if (!made) return base::Fail(made.error().While(doing));
    tls = std::move(*made);
    options.tls = nullptr;  // not ours beyond this point
  }
  boost::system::error_code ec;
  const auto address = asio::ip::make_address(options.address, ec);
  if (ec) {
    return base::Fail(ErrorKind::kInvalidArgument, doing + ": that is not an IP address");
  }
  const auto core = std::make_shared<ServerCore>(loop, options, std::move(handler), std::move(tls));
  tcp::acceptor acceptor(core->MakeExecutor());
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return base::Fail(ErrorKind::kUnavailable, doing + ": " + ec.message());
  const std::uint16_t port = acceptor.local_endpoint(ec).port();
  if (ec) return base::Fail(ErrorKind::kUnavailable, doing + ": " + ec.message());
  return std::make_unique<Server>(core, std::move(acceptor), port);
}

}  // namespace enclave::net
