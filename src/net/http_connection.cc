#include "net/http_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <exception>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "net/http_exchange.h"
#include "net/http_format.h"
#include "net/tls_context.h"

namespace enclave::net {
namespace {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Result;

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::chrono::milliseconds kLingerTime{2000};
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t NowNs() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// Input goes through one buffer a thread, used only within one callback.
std::array<char, kReadBytes>& Scratch() {
  thread_local std::array<char, kReadBytes> scratch;
  return scratch;
}

// The client's last handshake message gets no answer from us (no tickets). Left to the kernel, its
// acknowledgement waits 40 ms, and with it the request of a client that has not set TCP_NODELAY.
void AcknowledgeAtOnce(int fd) {
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, Socket socket, std::string peer_address)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      transport_(socket_.native_handle()),
      deadline_ns_(kNever) {
  peer_.address = std::move(peer_address);
  core_->Enter();
}

Connection::~Connection() {
  if (exchange_) core_->ReleaseBody(exchange_->charged_bytes);
  exchange_.reset();
  core_->Remove(this);
  core_->Leave();
}

void Connection::PostStart() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Start(); });
}
void Connection::PostClose() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Close(); });
}
void Connection::PostEvict() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Evict(); });
}
void Connection::PostDeadline() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->OnDeadline(); });
}

void Connection::SetDeadline(std::optional<std::chrono::milliseconds> limit) {
  deadline_ns_.store(limit ? NowNs() + std::chrono::nanoseconds(*limit).count() : kNever,
                     std::memory_order_relaxed);
}

void Connection::SetState(State state, std::optional<std::chrono::milliseconds> limit) {
  SetDeadline(limit);
  state_.store(state, std::memory_order_relaxed);
}

void Connection::EnterIdle() {
  SetState(State::kIdle, core_->options.idle_timeout);
  core_->NoteIdle(this);
}

void Connection::Start() {
  if (state() == State::kClosed) return;
  if (!core_->tls) {
    EnterIdle();
    ArmRead();
    return;
  }
  SetState(State::kHandshake, core_->options.handshake_timeout);
  if (const auto started = transport_.StartTls(core_->tls.get(), true); !started) {
    base::LogError("http", "a connection cannot start TLS", {{"error", started.error().message()}});
    Close();
    return;
  }
  ArmRead();
}

void Connection::Close() {
  if (state() == State::kClosed) return;
  SetState(State::kClosed, std::nullopt);
  transport_.Detach();
  boost::system::error_code ignored;
  socket_.close(ignored);
  pending_ = {};
  core_->Remove(this);
  if (coroutine_running_) cancel_.emit(asio::cancellation_type::terminal);
}

void Connection::Evict() {
  switch (state()) {
    case State::kHandling:
      core_->Keep(this);
      return;
    case State::kClosed:
      return;
    case State::kIdle:
      transport_.ShutdownWrites();
      break;
    case State::kHandshake:
    case State::kReading:
    case State::kLingering:
      break;
  }
  Close();
}

void Connection::OnDeadline() {
  if (deadline_ns() > NowNs()) return;
  switch (state()) {
    case State::kIdle:
      transport_.ShutdownWrites();
      Close();
      return;
    case State::kReading:
      Reject(408, "the request did not arrive in time");
      return;
    case State::kHandshake:
    case State::kHandling:  // a write that makes no progress
    case State::kLingering:
      Close();
      return;
    case State::kClosed:
      return;
  }
}

void Connection::ArmRead() {
  if (read_armed_ || gone()) return;
  // Enough is kept for later; the client's closing shows once the present request is done.
  if (state() == State::kHandling && pending_.size() >= kReadBytes) return;
  read_armed_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& ec) {
                       self->read_armed_ = false;
                       if (!ec && self->state() != State::kClosed) self->OnReadable();
                     });
}

void Connection::ArmHandshakeWrite() {
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& ec) {
                       if (!ec && self->state() != State::kClosed) self->OnReadable();
                     });
}

void Connection::OnReadable() {
  switch (state()) {
    case State::kHandshake:
      ContinueHandshake();
      return;
    case State::kIdle:
    case State::kReading:
    case State::kHandling:
      ReadInput();
      return;
    case State::kLingering:
      Discard();
      return;
    case State::kClosed:
      return;
  }
}

void Connection::ContinueHandshake() {
  switch (transport_.Handshake().status) {
    case IoStatus::kOk:
      AcknowledgeAtOnce(socket_.native_handle());
      ReadPeerSubject(transport_.ssl(), &peer_);
      EnterIdle();
      if (transport_.HasPending()) {
        ReadInput();
      } else {
        ArmRead();
      }
      return;
    case IoStatus::kWantRead:
      ArmRead();
      return;
    case IoStatus::kWantWrite:
      ArmHandshakeWrite();
      return;
    case IoStatus::kClosed:
    case IoStatus::kFailed:
      base::LogDebug("http", "TLS handshake failed",
                     {{"peer", peer_.address}, {"error", transport_.error()}});
      Close();
      return;
  }
}

void Connection::ReadInput() {
  auto& scratch = Scratch();
  while (state() != State::kClosed) {
    const IoResult got = transport_.Read(scratch.data(), scratch.size());
    switch (got.status) {
      case IoStatus::kOk:
        break;
      case IoStatus::kWantRead:
        ArmRead();
        return;
      case IoStatus::kWantWrite:
        ArmHandshakeWrite();
        return;
      case IoStatus::kClosed:
      case IoStatus::kFailed:
        OnPeerClosed();
        return;
    }
    OnInput({scratch.data(), got.bytes});
    if (state() == State::kLingering) return;
    const bool has_room = state() != State::kHandling || pending_.size() < kReadBytes;
    if (!transport_.HasPending() || !has_room) {
      ArmRead();
      return;
    }
  }
}

void Connection::Discard() {
  auto& scratch = Scratch();
  const IoResult got = transport_.Read(scratch.data(), scratch.size());
  if (got.status == IoStatus::kClosed || got.status == IoStatus::kFailed) {
    Close();
    return;
  }
  // With TLS, what is left inside would never announce itself: one more turn by hand.
  if (transport_.HasPending()) {
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->OnReadable(); });
    return;
  }
  ArmRead();
}

void Connection::OnInput(std::string_view data) {
  if (state() == State::kHandling) {
    pending_.append(data);
    return;
  }
  if (pending_.empty()) {
    const std::size_t used = Parse(data);
    if (used < data.size() && state() != State::kClosed) pending_.assign(data.substr(used));
    return;
  }
  pending_.append(data);
  // Parse may start a handler, and a handler's first steps must not see `pending_` half moved.
  std::string input = std::exchange(pending_, {});
  const std::size_t used = Parse(input);
  if (used < input.size() && state() != State::kClosed) {
    input.erase(0, used);
    pending_ = std::move(input);
  }
}

std::size_t Connection::Parse(std::string_view data) {
  std::size_t used = 0;
  if (state() == State::kIdle) {
    // Empty lines before a request are let pass (RFC 9112, 2.2).
    while (used < data.size() && (data[used] == '\r' || data[used] == '\n')) ++used;
    if (used == data.size()) return used;
    exchange_ = std::make_unique<Exchange>(*this);
    SetState(State::kReading, core_->options.request_timeout);
  }
  Exchange& exchange = *exchange_;
  used += exchange.parser.Feed(data.substr(used));
  if (!ChargeBody()) {
    Reject(503, "too many large requests at once; try again later");
    return used;
  }
  switch (exchange.parser.status()) {
    case ParseStatus::kNeedMore:
      if (exchange.parser.header_done()) {
        if (const auto refused = Refuse()) {
          Reject(refused->first, refused->second);
        } else if (!exchange.continue_sent && exchange.request.body.empty() &&
                   !exchange.request.Header("Expect").empty()) {
          SendContinue();
        }
      }
      return used;
    case ParseStatus::kDone:
      if (const auto refused = Refuse()) {
        Reject(refused->first, refused->second);
      } else {
        Dispatch();
      }
      return used;
    case ParseStatus::kFailed:
      break;
  }
  const auto& error = exchange.parser.error();
  if (error == boost::beast::http::error::header_limit) {
    Reject(431, fmt::format("the request's header is larger than {} bytes",
                            core_->options.max_header_bytes));
  } else if (error == boost::beast::http::error::body_limit) {
    Reject(413, fmt::format("the request's body is larger than {} bytes",
                            core_->options.max_body_bytes));
  } else {
    Reject(400, "the request is not valid HTTP/1.1: " + error.message());
  }
  return used;
}

std::optional<std::pair<int, std::string>> Connection::Refuse() const {
  const Request& request = exchange_->request;
  const RequestParser& parser = exchange_->parser;
  if (parser.host_count() > 1 || (parser.host_count() == 0 && !parser.is_http_1_0())) {
    return std::pair(400, std::string("the request needs exactly one Host header"));
  }
  if (!request.target.starts_with('/') && request.target != "*" &&
      request.target.find("://") == std::string::npos) {
    return std::pair(400, std::string("the request's target is not a path"));
  }
  const std::string_view expect = request.Header("Expect");
  constexpr CaseInsensitiveLess kLess;
  if (!expect.empty() && (kLess(expect, "100-continue") || kLess("100-continue", expect))) {
    return std::pair(417, std::string("the only expectation that can be met is 100-continue"));
  }
  return std::nullopt;
}

bool Connection::ChargeBody() {
  const std::size_t size = exchange_->request.body.size();
  const std::size_t more = size - exchange_->charged_bytes;
  if (more == 0) return true;
  if (!core_->ReserveBody(more)) return false;
  exchange_->charged_bytes = size;
  return true;
}

void Connection::SendContinue() {
  exchange_->continue_sent = true;
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  const IoResult written = transport_.Write(kContinue);
  // A socket whose buffer has no room for this has a client that does not read.
  if (written.status != IoStatus::kOk || written.bytes != kContinue.size()) Close();
}

Response Connection::MakeErrorResponse(int status, const std::string& message) const {
  if (core_->options.on_bad_request) return core_->options.on_bad_request(status, message);
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, message + "\n"};
}

void Connection::Reject(int status, const std::string& message) {
  exchange_->writer.set_keep_alive(false);
  exchange_->writer.set_request(exchange_->request.method == "HEAD", false);
  SetState(State::kHandling, std::nullopt);
  coroutine_running_ = true;
  asio::co_spawn(
      socket_.get_executor(), SendRejection(shared_from_this(), MakeErrorResponse(status, message)),
      asio::bind_cancellation_slot(
          cancel_.slot(), [self = shared_from_this()](std::exception_ptr) { self->OnHandled(); }));
}

asio::awaitable<void> Connection::SendRejection(std::shared_ptr<Connection> self,
                                                Response response) {
  const Result<> sent = co_await self->exchange_->writer.Send(std::move(response));
  if (!sent) {
    base::LogDebug("http", "a refusal could not be sent", {{"peer", self->peer_.address}});
  }
}

void Connection::Dispatch() {
  Exchange& exchange = *exchange_;
  exchange.request.peer = peer_;
  ParseTarget(exchange.request.target, &exchange.request.path, &exchange.request.query);
  const bool is_http_1_0 = exchange.parser.is_http_1_0();
  // HTTP/1.0 clients get one answer for each connection.
  exchange.writer.set_keep_alive(exchange.parser.keep_alive() && !is_http_1_0);
  exchange.writer.set_request(exchange.request.method == "HEAD", is_http_1_0);
  SetState(State::kHandling, std::nullopt);
  coroutine_running_ = true;
  asio::co_spawn(
      socket_.get_executor(), Handle(shared_from_this()),
      asio::bind_cancellation_slot(
          cancel_.slot(), [self = shared_from_this()](std::exception_ptr) { self->OnHandled(); }));
}

asio::awaitable<void> Connection::Handle(std::shared_ptr<Connection> self) {
  Exchange& exchange = *self->exchange_;
  std::string failure;
  try {
    co_await self->core_->handler(exchange.request, exchange.writer);
    if (exchange.writer.stage() != Writer::Stage::kDone) failure = "it left the answer unfinished";
  } catch (const std::exception& thrown) {
    failure = thrown.what();
  } catch (...) {
    failure = "it threw something that is not an exception";
  }
  // Whatever a handler does after its client has gone is not worth a line.
  if (failure.empty() || self->gone()) co_return;
  base::LogError(
      "http", "a handler failed",
      {{"method", exchange.request.method}, {"path", exchange.request.path}, {"error", failure}});
  exchange.writer.set_keep_alive(false);
  if (exchange.writer.stage() != Writer::Stage::kNothing) {
    // Too late for another status; a body cut short tells the client.
    self->broken_ = true;
    co_return;
  }
  Response response = self->MakeErrorResponse(500, "the request could not be handled");
  const Result<> sent = co_await exchange.writer.Send(std::move(response));
  if (!sent) self->broken_ = true;
}

void Connection::OnHandled() {
  coroutine_running_ = false;
  const bool keep_alive =
      exchange_->writer.keep_alive() && exchange_->writer.stage() == Writer::Stage::kDone;
  core_->ReleaseBody(exchange_->charged_bytes);
  exchange_.reset();
  if (state() == State::kClosed) return;
  if (gone()) {
    Close();
    return;
  }
  if (!keep_alive || core_->stopping.load()) {
    Linger();
    return;
  }
  EnterIdle();
  if (!pending_.empty()) {
    const std::string input = std::exchange(pending_, {});
    OnInput(input);
  }
  if (transport_.HasPending() && !read_armed_ && state() != State::kClosed) {
    ReadInput();
  } else {
    ArmRead();
  }
}

void Connection::OnPeerClosed() {
  peer_closed_ = true;
  if (state() != State::kHandling) {
    Close();
    return;
  }
  // OnHandled closes.
  if (coroutine_running_) cancel_.emit(asio::cancellation_type::terminal);
}

void Connection::Linger() {
  pending_ = {};
  transport_.ShutdownWrites();
  SetState(State::kLingering, kLingerTime);
  if (transport_.HasPending()) {
    Discard();
  } else {
    ArmRead();
  }
}

}  // namespace enclave::net
