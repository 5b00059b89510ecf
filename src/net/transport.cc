#include "net/transport.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/check.h"

namespace enclave::net {
namespace {

using base::ErrorKind;

Transport* Self(BIO* bio) {
  return static_cast<Transport*>(BIO_get_data(bio));
}

bool IsRetry(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a client that goes away would kill us with
// SIGPIPE.
int BioRead(BIO* bio, char* data, std::size_t size, std::size_t* got) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = recv(Self(bio)->fd(), data, size, 0);
  if (n > 0) {
    *got = static_cast<std::size_t>(n);
    return 1;
  }
  *got = 0;
  if (n == 0) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  } else if (IsRetry(errno)) {
    BIO_set_retry_read(bio);
  }
  return 0;
}

int BioWrite(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = send(Self(bio)->fd(), data, size, MSG_NOSIGNAL);
  if (n > 0) {
    *written = static_cast<std::size_t>(n);
    return 1;
  }
  *written = 0;
  if (n < 0 && IsRetry(errno)) BIO_set_retry_write(bio);
  return 0;
}

long BioControl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

BIO_METHOD* DescriptorMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "enclave descriptor");
    CHECK(made != nullptr && BIO_meth_set_read_ex(made, BioRead) == 1 &&
              BIO_meth_set_write_ex(made, BioWrite) == 1 &&
              BIO_meth_set_ctrl(made, BioControl) == 1,
          "a BIO method can be made");
    return made;
  }();
  return method;
}

}  // namespace

base::Result<> Transport::StartTls(SSL_CTX* context, bool is_server) {
  ssl_.reset(SSL_new(context));
  BIO* const bio = ssl_ ? BIO_new(DescriptorMethod()) : nullptr;
  if (bio == nullptr) return OpensslFail(ErrorKind::kInternal, "starting TLS");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (is_server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
  return {};
}

IoResult Transport::Fail(std::string why) {
  broken_ = true;
  error_ = std::move(why);
  return {IoStatus::kFailed, 0};
}

IoResult Transport::Explain(int returned) {
  const int system_error = errno;
  switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return {IoStatus::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoStatus::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStatus::kClosed, 0};
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return Fail(system_error != 0 ? std::strerror(system_error) : "the peer closed");
    default: {
      const long verdict = SSL_get_verify_result(ssl_.get());
      const unsigned long code = ERR_peek_error();
      if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
          ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        ERR_clear_error();
        certificate_refused_ = true;
        return Fail(std::string("the peer's certificate was refused: ") +
                    X509_verify_cert_error_string(verdict));
      }
      // A peer that closes without close_notify; HTTP has its own marks of where a message ends.
      if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
          ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        broken_ = true;
        error_ = "the peer closed";
        return {IoStatus::kClosed, 0};
      }
      return Fail(OpensslError());
    }
  }
}

IoResult Transport::Handshake() {
  if (fd_ < 0 || broken_) return {IoStatus::kFailed, 0};
  if (!ssl_) return {IoStatus::kOk, 0};
  ERR_clear_error();
  errno = 0;
  const int returned = SSL_do_handshake(ssl_.get());
  if (returned == 1) {
    handshake_done_ = true;
    return {IoStatus::kOk, 0};
  }
  const IoResult result = Explain(returned);
  if (result.status == IoStatus::kClosed) return Fail("the peer closed during the TLS handshake");
  return result;
}

IoResult Transport::Read(char* data, std::size_t size) {
  if (fd_ < 0 || broken_) return {IoStatus::kFailed, 0};
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    std::size_t got = 0;
    const int returned = SSL_read_ex(ssl_.get(), data, size, &got);
    if (returned == 1) return {IoStatus::kOk, got};
    return Explain(returned);
  }
  const ssize_t n = recv(fd_, data, size, 0);
  if (n > 0) return {IoStatus::kOk, static_cast<std::size_t>(n)};
  if (n == 0) return {IoStatus::kClosed, 0};
  if (IsRetry(errno)) return {IoStatus::kWantRead, 0};
  return Fail(std::strerror(errno));
}

IoResult Transport::Write(std::string_view data) {
  if (fd_ < 0 || broken_) return {IoStatus::kFailed, 0};
  if (data.empty()) return {IoStatus::kOk, 0};
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    std::size_t written = 0;
    const int returned = SSL_write_ex(ssl_.get(), data.data(), data.size(), &written);
    if (returned == 1) return {IoStatus::kOk, written};
    return Explain(returned);
  }
  return Write(data, {});
}

IoResult Transport::Write(std::string_view first, std::string_view second) {
  if (fd_ < 0 || broken_) return {IoStatus::kFailed, 0};
  if (ssl_) return Write(first.empty() ? second : first);
  iovec pieces[2] = {{const_cast<char*>(first.data()), first.size()},
                     {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  const ssize_t n = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (n >= 0) return {IoStatus::kOk, static_cast<std::size_t>(n)};
  if (IsRetry(errno)) return {IoStatus::kWantWrite, 0};
  return Fail(std::strerror(errno));
}

void Transport::ShutdownWrites() {
  if (fd_ < 0) return;
  if (ssl_ && handshake_done_ && !broken_) {
    // Best effort: a full socket buffer loses the alert, and the shutdown below tells the same.
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  shutdown(fd_, SHUT_WR);
}

}  // namespace enclave::net
