#include "system/api_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "system/kubectl.h"

namespace enclave::system_test {
namespace {

// Longer than the server waits for a request that does not come (30 s): what it answers then is
// seen.
constexpr timeval kPatience{.tv_sec = 45, .tv_usec = 0};

std::string Decode(const std::string& base64) {
  std::string bytes(base64.size(), '\0');
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                reinterpret_cast<const unsigned char*>(base64.data()),
                                static_cast<int>(base64.size()));
  if (n < 0) return "";
  const auto padding = std::count(
      base64.end() - std::min<long>(2, static_cast<long>(base64.size())), base64.end(), '=');
  bytes.resize(static_cast<std::size_t>(n - padding));
  return bytes;
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

Bio Memory(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free};
}

bool UseIdentity(SSL_CTX* context, const Access& access) {
  const Bio certificate = Memory(access.certificate);
  const Bio key = Memory(access.key);
  X509* x509 = PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr);
  EVP_PKEY* private_key = PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr);
  const bool used = x509 != nullptr && private_key != nullptr &&
                    SSL_CTX_use_certificate(context, x509) == 1 &&
                    SSL_CTX_use_PrivateKey(context, private_key) == 1;
  X509_free(x509);
  EVP_PKEY_free(private_key);
  return used;
}

bool TrustAuthority(SSL_CTX* context, const Access& access) {
  const Bio authority = Memory(access.authority);
  X509* x509 = PEM_read_bio_X509(authority.get(), nullptr, nullptr, nullptr);
  const bool trusted =
      x509 != nullptr && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x509) == 1;
  X509_free(x509);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return trusted;
}

std::string HeaderValue(const std::string& head, const std::string& name) {
  std::string lower = head;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t at = lower.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return lower.substr(begin, lower.find("\r\n", begin) - begin);
}

}  // namespace

Access ReadAccess(const Enclave& enclave) {
  Access access;
  const Output view = Execute({NewestKubectl().path, "config", "view", "--raw", "-o", "json"},
                              {.environment = {{"KUBECONFIG", enclave.kubeconfig()}}});
  const Json config = Json::parse(view.out, nullptr, /*allow_exceptions=*/false);
  const std::string server = StringAt(config, "clusters.0.cluster.server");
  const std::size_t colon = server.rfind(':');
  if (server.size() < 9 || colon == std::string::npos) return access;
  access.host = server.substr(8, colon - 8);
  std::from_chars(server.data() + colon + 1, server.data() + server.size(), access.port);
  access.authority = Decode(StringAt(config, "clusters.0.cluster.certificate-authority-data"));
  access.certificate = Decode(StringAt(config, "users.0.user.client-certificate-data"));
  access.key = Decode(StringAt(config, "users.0.user.client-key-data"));
  return access;
}

ApiClient::ApiClient(Access access, bool anonymous) : access_(std::move(access)) {
  context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
  if (!TrustAuthority(context_, access_)) error_ = "the authority's certificate cannot be used";
  if (!anonymous && !UseIdentity(context_, access_))
    error_ = "the client's certificate cannot be used";
}

ApiClient::~ApiClient() {
  Close();
  SSL_CTX_free(context_);
}

void ApiClient::Close() {
  if (ssl_ != nullptr) SSL_free(ssl_);
  if (fd_ >= 0) ::close(fd_);
  ssl_ = nullptr;
  fd_ = -1;
  ended_ = false;
  in_.clear();
}

bool ApiClient::Connect() {
  Close();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(access_.port));
  ::inet_pton(AF_INET, access_.host.c_str(), &to.sin_addr);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    Close();
    return false;
  }
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  if (SSL_connect(ssl_) == 1) return true;
  ERR_clear_error();
  Close();
  return false;
}

bool ApiClient::Write(const std::string& bytes) {
  if (ssl_ == nullptr) return false;
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const int n = SSL_write(ssl_, bytes.data() + sent, static_cast<int>(bytes.size() - sent));
    if (n <= 0) {
      ERR_clear_error();
      return false;
    }
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

bool ApiClient::Fill() {
  if (ssl_ == nullptr) return false;
  char buffer[16384];
  const int n = SSL_read(ssl_, buffer, sizeof buffer);
  if (n <= 0) {
    ended_ = SSL_get_error(ssl_, n) != SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return false;
  }
  in_.append(buffer, static_cast<std::size_t>(n));
  return true;
}

ApiAnswer ApiClient::ReadAnswer() {
  ApiAnswer answer;
  std::size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) {
      answer.closed = ended_;
      answer.error = ended_ ? "the connection ended before an answer" : "no answer came";
      Close();
      return answer;
    }
  }
  const std::string head = in_.substr(0, end + 2);
  in_.erase(0, end + 4);
  if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, answer.status);
  const std::string length = HeaderValue(head, "content-length");
  if (!length.empty()) {
    std::size_t size = 0;
    std::from_chars(length.data(), length.data() + length.size(), size);
    while (in_.size() < size && Fill()) continue;
    answer.body = in_.substr(0, size);
    in_.erase(0, size);
  } else if (HeaderValue(head, "transfer-encoding") == "chunked") {
    for (;;) {
      std::size_t line = 0;
      while ((line = in_.find("\r\n")) == std::string::npos && Fill()) continue;
      if (line == std::string::npos) break;
      std::size_t size = 0;
      std::from_chars(in_.data(), in_.data() + line, size, 16);
      while (in_.size() < line + 2 + size + 2 && Fill()) continue;
      answer.body += in_.substr(line + 2, size);
      in_.erase(0, line + 2 + size + 2);
      if (size == 0) break;
    }
  }
  if (HeaderValue(head, "connection") == "close") Close();
  return answer;
}

ApiAnswer ApiClient::Send(const std::string& method, const std::string& path,
                          const std::string& body, const std::string& content_type,
                          const std::string& headers) {
  if (ssl_ == nullptr && !Connect()) return {.error = "cannot connect"};
  std::string request =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n{}", method, path, access_.host, headers);
  if (!content_type.empty()) request += "Content-Type: " + content_type + "\r\n";
  if (!body.empty() || method != "GET")
    request += fmt::format("Content-Length: {}\r\n", body.size());
  request += "\r\n" + body;
  // A refusal may come before all was written; it is read all the same.
  Write(request);
  return ReadAnswer();
}

bool ApiClient::WaitClosed(std::chrono::seconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(left.count())) > 0 && !Fill()) return ended_;
  }
}

bool ApiClient::ReadUntil(const std::string& text) {
  std::size_t at = 0;
  while ((at = in_.find(text)) == std::string::npos)
    if (!Fill()) return false;
  in_.erase(0, at + text.size());
  return true;
}

}  // namespace enclave::system_test
