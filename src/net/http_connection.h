// One connection of the HTTP server and what all connections share, for the .cc files of this
// folder only.
//
// Reading is driven by readiness callbacks and needs no coroutine and no buffer while it waits, so
// that thousands of idle connections cost little; only a request that is being handled has a
// coroutine. One wait for readability is outstanding at nearly all times: between requests it
// announces the next one, during a request it tells that the client has closed.
//
// | state     | readable              | client closed  | deadline          | handler returned   |
// |-----------|-----------------------|----------------|-------------------|--------------------|
// | handshake | go on with it; idle   | close          | close             |                    |
// | idle      | reading or handling   | close          | close             |                    |
// | reading   | parse; handling       | close          | answer 408        |                    |
// | handling  | keep for later        | cancel handler | cancel and close  | idle or lingering  |
// | lingering | throw away            | close          | close             |                    |
//
// Lingering: our side is shut, and what the client still sends is read, because closing with unread
// input would reset the connection and could destroy the answer on its way.
//
// Thread safety: everything of a connection runs on its executor, but for what says otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/http_parser.h"
#include "net/http_server.h"
#include "net/transport.h"

namespace enclave::net {

class Connection;

// Lives until the last connection is gone.
class ServerCore {
 public:
  ServerCore(EventLoop& loop, HttpServerOptions options, Handler handler, SslContextPtr tls);

  boost::asio::any_io_executor MakeExecutor() const;

  // Any thread. Adds an accepted connection, making room by evicting the longest idle one; false
  // when there is no room or the server is stopping.
  bool Admit(const std::shared_ptr<Connection>& connection);
  void Remove(Connection* connection);
  // The connection has become idle: all others idle by now have been so for longer.
  void NoteIdle(Connection* connection);
  // Takes back an eviction of a connection that got work meanwhile.
  void Keep(Connection* connection);
  // Closes the longest idle connection, if there is one.
  bool EvictOne();
  // Tells the connections whose deadline has passed.
  void Sweep();
  void CloseAll();
  std::size_t connections() const;

  // Counts whatever still runs for this server; the destructor of the server waits for zero.
  void Enter();
  void Leave();
  // False when the loop stopped before.
  bool WaitUntilQuiet();

  // Takes `bytes` from the budget for bodies; false when it is spent.
  bool ReserveBody(std::size_t bytes);
  void ReleaseBody(std::size_t bytes);

  EventLoop& loop;
  const HttpServerOptions options;
  const Handler handler;
  const SslContextPtr tls;
  std::atomic<bool> stopping = false;

 private:
  // Marks it as being evicted; null when none may be.
  std::shared_ptr<Connection> ChooseVictimLocked();

  mutable std::mutex mutex_;
  std::condition_variable quiet_;
  // Those that became idle last, or were accepted last, stand at the end.
  std::list<Connection*> connections_;
  std::size_t evicting_ = 0;
  std::size_t running_ = 0;
  std::atomic<std::size_t> body_bytes_ = 0;
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  enum class State : std::uint8_t { kHandshake, kIdle, kReading, kHandling, kLingering, kClosed };
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp>;

  Connection(std::shared_ptr<ServerCore> core, Socket socket, std::string peer_address);
  ~Connection();

  // Any thread.
  void PostStart();
  void PostClose();
  void PostEvict();
  void PostDeadline();
  State state() const { return state_.load(std::memory_order_relaxed); }
  // When the present state must have ended; steady clock, nanoseconds.
  std::int64_t deadline_ns() const { return deadline_ns_.load(std::memory_order_relaxed); }

  // Guarded by the core's mutex.
  bool admitted = false;
  bool evicting = false;
  std::list<Connection*>::iterator place;

 private:
  class Writer;
  struct Exchange;

  void Start();
  void Close();
  void Evict();
  void OnDeadline();
  void EnterIdle();
  void SetState(State state, std::optional<std::chrono::milliseconds> limit);
  void SetDeadline(std::optional<std::chrono::milliseconds> limit);

  void ArmRead();
  void ArmHandshakeWrite();
  void OnReadable();
  void ContinueHandshake();
  void ReadInput();
  void Discard();
  void OnInput(std::string_view data);
  std::size_t Parse(std::string_view data);
  // Nullopt when the request may go to the handler.
  std::optional<std::pair<int, std::string>> Refuse() const;
  bool ChargeBody();
  void SendContinue();
  void Reject(int status, const std::string& message);
  void Dispatch();
  void OnHandled();
  void OnPeerClosed();
  void Linger();

  Response MakeErrorResponse(int status, const std::string& message) const;
  bool gone() const { return peer_closed_ || broken_ || state() == State::kClosed; }

  static boost::asio::awaitable<void> Handle(std::shared_ptr<Connection> self);
  static boost::asio::awaitable<void> SendRejection(std::shared_ptr<Connection> self,
                                                    Response response);
  boost::asio::awaitable<base::Result<>> WriteAll(std::string_view first, std::string_view second);

  const std::shared_ptr<ServerCore> core_;
  Socket socket_;
  Transport transport_;
  Peer peer_;
  std::atomic<State> state_ = State::kIdle;
  std::atomic<std::int64_t> deadline_ns_;
  bool read_armed_ = false;
  bool peer_closed_ = false;
  bool broken_ = false;
  bool coroutine_running_ = false;
  std::string pending_;  // read, not yet parsed
  std::unique_ptr<Exchange> exchange_;
  boost::asio::cancellation_signal cancel_;
};

}  // namespace enclave::net
