// A non-blocking stream socket, plain or with TLS, for the .cc files of this folder only. Says what
// to wait for instead of waiting, so that server connections (callbacks) and clients (coroutines)
// share it, and so that an idle connection holds no buffer: OpenSSL works on the socket itself and
// gives its record buffers back (Asio's ssl::stream keeps 70 kB for each connection).
//
// Thread safety: none; one user at a time. Does not own the descriptor.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/openssl.h"

namespace enclave::net {

enum class IoStatus {
  kOk,         // some bytes were moved, or the handshake is done
  kWantRead,   // try again once the descriptor is readable
  kWantWrite,  // try again once it is writable
  kClosed,     // the peer has closed its side
  kFailed,     // the connection broke; error() says how
};

struct IoResult {
  IoStatus status = IoStatus::kFailed;
  std::size_t bytes = 0;
};

class Transport {
 public:
  Transport() = default;
  explicit Transport(int fd) : fd_(fd) {}
  Transport(Transport&&) = delete;

  void Attach(int fd) { fd_ = fd; }
  // Puts TLS over the descriptor. The context outlives this object.
  base::Result<> StartTls(SSL_CTX* context, bool is_server);
  // No system call touches the descriptor any more: its owner may close it.
  void Detach() { fd_ = -1; }

  IoResult Handshake();
  IoResult Read(char* data, std::size_t size);
  IoResult Write(std::string_view data);
  // Both pieces with one system call where the transport can; `bytes` counts over both.
  IoResult Write(std::string_view first, std::string_view second);
  // Bytes wait inside TLS that no readiness of the descriptor will announce.
  bool HasPending() const { return ssl_ && SSL_has_pending(ssl_.get()) != 0; }
  // Tells the peer that nothing more follows: close_notify where there is TLS, then shutdown.
  void ShutdownWrites();

  bool is_tls() const { return ssl_ != nullptr; }
  SSL* ssl() const { return ssl_.get(); }
  const std::string& error() const { return error_; }
  // The peer's certificate was refused by us.
  bool certificate_refused() const { return certificate_refused_; }

  // For the BIO in transport.cc.
  int fd() const { return fd_; }

 private:
  IoResult Explain(int returned);
  IoResult Fail(std::string why);

  int fd_ = -1;
  SslPtr ssl_;
  bool handshake_done_ = false;
  bool broken_ = false;
  bool certificate_refused_ = false;
  std::string error_;
};

}  // namespace enclave::net
