#include "system/webhook_receiver.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace enclave::system_test {
namespace {

constexpr std::size_t kMostWebhookBytes = 4 << 20;

// The value of Content-Length; 0 when there is none.
std::size_t BodyLength(const std::string& head) {
  static constexpr std::string_view kName = "\r\ncontent-length:";
  for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2))
    if (head.size() > at + kName.size() &&
        strncasecmp(head.data() + at, kName.data(), kName.size()) == 0)
      return std::strtoull(head.data() + at + kName.size(), nullptr, 10);
  return 0;
}

}  // namespace

WebhookReceiver::WebhookReceiver() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::listen(listener_, 64);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

WebhookReceiver::~WebhookReceiver() {
  stop_ = true;
  thread_.join();
  ::close(listener_);
}

std::string WebhookReceiver::url() const {
  return fmt::format("http://127.0.0.1:{}/alerts", port_);
}

std::vector<Json> WebhookReceiver::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

void WebhookReceiver::Serve() {
  while (!stop_) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 50) <= 0) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    Answer(connection);
    ::close(connection);
  }
}

void WebhookReceiver::Answer(int connection) {
  std::string text;
  std::size_t head = std::string::npos;
  std::size_t body = 0;
  char buffer[16384];
  while (head == std::string::npos || text.size() < head + 4 + body) {
    const ssize_t n = ::recv(connection, buffer, sizeof buffer, 0);
    if (n <= 0 || text.size() > kMostWebhookBytes) return;
    text.append(buffer, static_cast<std::size_t>(n));
    if (head != std::string::npos) continue;
    head = text.find("\r\n\r\n");
    if (head != std::string::npos) body = BodyLength(text.substr(0, head + 2));
  }
  Json message = Json::parse(text.substr(head + 4, body), nullptr, /*allow_exceptions=*/false);
  {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  static constexpr std::string_view kTaken =
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  [[maybe_unused]] const ssize_t sent =
      ::send(connection, kTaken.data(), kTaken.size(), MSG_NOSIGNAL);
}

}  // namespace enclave::system_test
