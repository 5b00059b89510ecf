#include "cluster/kubelet/tcp_forwarder.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace enclave::cluster {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorKind;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::size_t kBufferBytes = 64 << 10;
// From this many bytes in one direction on, data is moved inside the kernel: setting that up costs
// more than it saves for a few small requests.
constexpr std::uint64_t kSpliceAfterBytes = 512 << 10;
constexpr int kPipeBytes = 256 << 10;
constexpr milliseconds kConnectTimeout{5'000};
constexpr milliseconds kListenFirstRetry{200};
constexpr milliseconds kLastRetry{30'000};

struct Backend {
  explicit Backend(const ForwardTarget& target) : target(target) {
    error_code error;
    endpoint = tcp::endpoint(asio::ip::make_address(target.address, error), target.port);
    valid = !error;
  }
  const ForwardTarget target;
  tcp::endpoint endpoint;
  bool valid = false;
  std::atomic<std::int64_t> open{0};
};
using Backends = std::vector<std::shared_ptr<Backend>>;

// Both sockets of one forwarded connection. Everything of it runs on its strand.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Strand = asio::strand<asio::io_context::executor_type>;
  Connection(Strand strand, tcp::socket client, std::shared_ptr<ConnectionBudget> budget)
      : strand_(strand), client_(std::move(client)), server_(strand), budget_(std::move(budget)) {
    budget_->open.fetch_add(1);
  }
  ~Connection() { budget_->open.fetch_sub(1); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<void> Run(Backends candidates) {
    std::shared_ptr<Backend> backend = co_await Connect(std::move(candidates));
    if (!backend) {
      // A reset tells the client that nobody took its connection.
      error_code ignored;
      client_.set_option(asio::socket_base::linger(true, 0), ignored);
      Close();
      co_return;
    }
    error_code ignored;
    for (tcp::socket* socket : {&client_, &server_}) {
      socket->set_option(tcp::no_delay(true), ignored);
      socket->set_option(asio::socket_base::keep_alive(true), ignored);
      socket->native_non_blocking(true, ignored);
    }
    auto self = shared_from_this();
    // The second direction has a coroutine of its own; the connection lives as long as one does.
    asio::co_spawn(
        strand_, [self] { return self->Pump(self->server_, self->client_); },
        [self, backend](std::exception_ptr) { self->EndOfOne(backend); });
    co_await Pump(client_, server_);
    EndOfOne(backend);
  }

  void CloseSoon() {
    asio::post(strand_, [self = shared_from_this()] { self->Close(); });
  }

 private:
  void Close() {
    error_code ignored;
    client_.close(ignored);
    server_.close(ignored);
  }

  void EndOfOne(const std::shared_ptr<Backend>& backend) {
    if (++ended_ < 2) return;
    backend->open.fetch_sub(1);
    Close();
  }

  asio::awaitable<std::shared_ptr<Backend>> Connect(Backends candidates) {
    error_code error;
    error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    tcp::endpoint from = client_.remote_endpoint(error);
    for (std::shared_ptr<Backend>& backend : candidates) {
      server_ = tcp::socket(strand_);
      server_.open(backend->endpoint.protocol(), error);
      if (error) continue;
      // All of 127/8 is ours to bind; the port is chosen when connecting, so that connections to
      // different endpoints may share one.
      if (from.address().is_loopback() && from.protocol() == backend->endpoint.protocol()) {
        int one = 1;
        setsockopt(server_.native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        server_.bind(tcp::endpoint(from.address(), 0), ignored);
      }
      asio::steady_timer deadline(strand_);
      deadline.expires_after(kConnectTimeout);
      deadline.async_wait([weak = weak_from_this()](error_code cancelled) {
        auto self = weak.lock();
        error_code unused;
        if (!cancelled && self) self->server_.close(unused);
      });
      backend->open.fetch_add(1);
      co_await server_.async_connect(backend->endpoint, token);
      deadline.cancel();
      if (!error) co_return backend;
      backend->open.fetch_sub(1);
      if (!client_.is_open()) break;
    }
    co_return nullptr;
  }

  // Moves everything from `in` to `out`, then ends that direction only.
  asio::awaitable<void> Pump(tcp::socket& in, tcp::socket& out) {
    std::uint64_t moved = 0;
    bool whole = co_await Copy(in, out, &moved);
    if (!whole && moved >= kSpliceAfterBytes && in.is_open() && out.is_open()) {
      whole = co_await Splice(in, out);
    }
    error_code ignored;
    if (whole) {
      out.shutdown(tcp::socket::shutdown_send, ignored);
    } else {
      Close();
    }
  }

  // True at the end of `in`; false on an error, or once it is worth while to splice.
  asio::awaitable<bool> Copy(tcp::socket& in, tcp::socket& out, std::uint64_t* moved) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    // Shared by all connections of a thread: nothing stays in it across a wait.
    static thread_local std::array<char, kBufferBytes> buffer;
    while (*moved < kSpliceAfterBytes) {
      ssize_t n = recv(in.native_handle(), buffer.data(), buffer.size(), 0);
      if (n == 0) co_return true;
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {
          *moved = 0;
          co_return false;
        }
        co_await in.async_wait(tcp::socket::wait_read, token);
        if (error) {
          *moved = 0;
          co_return false;
        }
        continue;
      }
      auto size = static_cast<std::size_t>(n);
      *moved += size;
      ssize_t sent = send(out.native_handle(), buffer.data(), size, MSG_NOSIGNAL);
      if (sent == n) continue;
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        *moved = 0;
        co_return false;
      }
      auto done = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
      std::string rest(buffer.data() + done, size - done);
      if (!co_await SendRest(out, rest)) {
        *moved = 0;
        co_return false;
      }
    }
    co_return false;
  }

  asio::awaitable<bool> SendRest(tcp::socket& out, std::string_view rest) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    while (!rest.empty()) {
      co_await out.async_wait(tcp::socket::wait_write, token);
      if (error) co_return false;
      ssize_t sent = send(out.native_handle(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) co_return false;
      if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    co_return true;
  }

  struct Pipe {
    int read = -1;
    int write = -1;
    Pipe() {
      int fds[2];
      if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return;
      read = fds[0];
      write = fds[1];
      fcntl(write, F_SETPIPE_SZ, kPipeBytes);
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
      if (read >= 0) close(read);
      if (write >= 0) close(write);
    }
  };

  // True at the end of `in`, false on an error.
  asio::awaitable<bool> Splice(tcp::socket& in, tcp::socket& out) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    Pipe pipe;
    if (pipe.read < 0) {
      // Without descriptors for pipes it goes on by copying.
      while (true) {
        std::uint64_t moved = 0;
        if (co_await Copy(in, out, &moved)) co_return true;
        if (moved < kSpliceAfterBytes) co_return false;
      }
    }
    std::size_t held = 0;
    while (true) {
      ssize_t n = splice(in.native_handle(), nullptr, pipe.write, nullptr, kPipeBytes,
                         SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (n == 0) co_return true;
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) co_return false;
        co_await in.async_wait(tcp::socket::wait_read, token);
        if (error) co_return false;
        continue;
      }
      held = static_cast<std::size_t>(n);
      while (held > 0) {
        ssize_t sent = splice(pipe.read, nullptr, out.native_handle(), nullptr, held,
                              SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (sent > 0) {
          held -= static_cast<std::size_t>(sent);
          continue;
        }
        if (sent < 0 && errno == EINTR) continue;
        if (sent == 0 || errno != EAGAIN) co_return false;
        co_await out.async_wait(tcp::socket::wait_write, token);
        if (error) co_return false;
      }
    }
  }

  Strand strand_;
  tcp::socket client_;
  tcp::socket server_;
  const std::shared_ptr<ConnectionBudget> budget_;
  int ended_ = 0;
};

// The listening side. Everything of it but the targets runs on its strand.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(net::EventLoop& loop, const ForwardTarget& listen,
           std::shared_ptr<ConnectionBudget> budget,
           std::function<void(base::Result<>)> on_listening)
      : loop_(loop),
        strand_(asio::make_strand(loop.context())),
        acceptor_(strand_),
        timer_(strand_),
        listen_(listen),
        budget_(std::move(budget)),
        on_listening_(std::move(on_listening)) {}

  void SetTargets(std::vector<ForwardTarget> targets, bool by_client) {
    std::sort(targets.begin(), targets.end());
    {
      std::lock_guard lock(mutex_);
      Backends backends;
      for (const ForwardTarget& target : targets) {
        auto known = std::find_if(backends_.begin(), backends_.end(),
                                  [&](const auto& backend) { return backend->target == target; });
        auto backend = known != backends_.end() ? *known : std::make_shared<Backend>(target);
        if (backend->valid) backends.push_back(std::move(backend));
      }
      backends_ = std::move(backends);
      by_client_ = by_client;
    }
    asio::post(strand_, [self = shared_from_this()] { self->Update(); });
  }

  void Stop() {
    asio::post(strand_, [self = shared_from_this()] {
      self->stopped_ = true;
      error_code ignored;
      self->acceptor_.close(ignored);
      self->timer_.cancel();
      for (const auto& weak : self->connections_) {
        if (auto connection = weak.lock()) connection->CloseSoon();
      }
      self->connections_.clear();
    });
  }

 private:
  void Update() {
    if (stopped_) return;
    bool wanted;
    {
      std::lock_guard lock(mutex_);
      wanted = !backends_.empty();
    }
    if (wanted && !acceptor_.is_open()) {
      Listen();
    } else if (!wanted && acceptor_.is_open()) {
      error_code ignored;
      acceptor_.close(ignored);
    }
    if (!wanted) timer_.cancel();
  }

  void Listen() {
    error_code error;
    tcp::endpoint endpoint(asio::ip::make_address(listen_.address, error), listen_.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(4096, error);
    if (error) {
      Tell(Refused(error));
      error_code ignored;
      acceptor_.close(ignored);
      timer_.expires_after(retry_);
      retry_ = std::min(retry_ * 2, kLastRetry);
      timer_.async_wait([self = shared_from_this()](error_code cancelled) {
        if (!cancelled) self->Update();
      });
      return;
    }
    retry_ = kListenFirstRetry;
    Tell({});
    asio::co_spawn(
        strand_,
        [self = shared_from_this(), generation = ++generation_] {
          return self->AcceptLoop(generation);
        },
        asio::detached);
  }

  base::Result<> Refused(const error_code& error) const {
    std::string what =
        fmt::format("cannot listen on {}:{}: {}", listen_.address, listen_.port, error.message());
    if (error == boost::system::errc::permission_denied && listen_.port < 1024) {
      return base::Fail(
          ErrorKind::kPermissionDenied,
          fmt::format("{}; ports below 1024 need privilege: use a port above 1023, or allow it "
                      "with `sudo sysctl net.ipv4.ip_unprivileged_port_start={}`",
                      what, listen_.port));
    }
    return base::Fail(ErrorKind::kUnavailable, what);
  }

  void Tell(base::Result<> result) {
    loop_.Post([callback = on_listening_, result = std::move(result)] { callback(result); });
  }

  // Ends when the acceptor was closed, even if it was opened again meanwhile.
  asio::awaitable<void> AcceptLoop(std::uint64_t generation) {
    auto self = shared_from_this();
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    while (acceptor_.is_open() && generation == generation_) {
      if (budget_->open.load() >= budget_->max) {
        // Further clients wait in the backlog, which the kernel bounds.
        timer_.expires_after(milliseconds(20));
        co_await timer_.async_wait(token);
        continue;
      }
      auto strand = asio::make_strand(loop_.context());
      tcp::socket client(strand);
      co_await acceptor_.async_accept(client, token);
      if (!acceptor_.is_open() || generation != generation_) break;
      if (error == boost::system::errc::too_many_files_open ||
          error == boost::system::errc::too_many_files_open_in_system ||
          error == boost::system::errc::no_buffer_space) {
        timer_.expires_after(milliseconds(100));
        co_await timer_.async_wait(token);
        continue;
      }
      if (error) continue;
      Begin(strand, std::move(client));
    }
  }

  void Begin(const Connection::Strand& strand, tcp::socket client) {
    Backends candidates = Candidates(client);
    auto connection = std::make_shared<Connection>(strand, std::move(client), budget_);
    // Swept now and then: no more dead entries than living ones.
    if (connections_.size() >= sweep_at_) {
      std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
      sweep_at_ = std::max<std::size_t>(64, connections_.size() * 2);
    }
    connections_.push_back(connection);
    asio::co_spawn(
        strand,
        [connection, candidates = std::move(candidates)]() mutable {
          return connection->Run(std::move(candidates));
        },
        [connection](std::exception_ptr) {});
  }

  // The endpoints in the order in which they are tried.
  Backends Candidates(const tcp::socket& client) {
    std::lock_guard lock(mutex_);
    Backends order = backends_;
    if (order.size() < 2) return order;
    std::size_t turn = next_++ % order.size();
    if (by_client_) {
      error_code ignored;
      auto address = client.remote_endpoint(ignored).address();
      std::size_t hash = std::hash<std::string>()(address.to_string());
      turn = hash % order.size();
    }
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(turn), order.end());
    if (!by_client_) {
      auto least = std::min_element(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return a->open.load() < b->open.load();
      });
      std::rotate(order.begin(), least, order.end());
    }
    return order;
  }

  net::EventLoop& loop_;
  Connection::Strand strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  const ForwardTarget listen_;
  const std::shared_ptr<ConnectionBudget> budget_;
  const std::function<void(base::Result<>)> on_listening_;
  milliseconds retry_ = kListenFirstRetry;
  std::uint64_t generation_ = 0;
  bool stopped_ = false;
  std::vector<std::weak_ptr<Connection>> connections_;
  std::size_t sweep_at_ = 64;

  std::mutex mutex_;
  // Guarded by mutex_:
  Backends backends_;
  bool by_client_ = false;
  std::size_t next_ = 0;
};

class Forwarder final : public TcpForwarder {
 public:
  explicit Forwarder(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}
  ~Forwarder() override { listener_->Stop(); }
  void SetTargets(std::vector<ForwardTarget> targets, bool by_client) override {
    listener_->SetTargets(std::move(targets), by_client);
  }

 private:
  std::shared_ptr<Listener> listener_;
};

}  // namespace

std::unique_ptr<TcpForwarder> TcpForwarder::Create(
    net::EventLoop& loop, const ForwardTarget& listen, std::shared_ptr<ConnectionBudget> budget,
    std::function<void(base::Result<>)> on_listening) {
  return std::make_unique<Forwarder>(
      std::make_shared<Listener>(loop, listen, std::move(budget), std::move(on_listening)));
}

}  // namespace enclave::cluster
