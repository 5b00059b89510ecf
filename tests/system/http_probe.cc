#include "system/http_probe.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <string_view>

namespace enclave::system_test {

namespace {

// The body of an answer with `Transfer-Encoding: chunked`.
std::string Joined(std::string_view chunks) {
  std::string body;
  for (;;) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(chunks.begin(), chunks.end(), size, 16);
    const std::size_t line = chunks.find("\r\n");
    if (error != std::errc() || line == std::string_view::npos || size == 0) return body;
    chunks.remove_prefix(line + 2);
    body += chunks.substr(0, size);
    if (chunks.size() < size + 2) return body;
    chunks.remove_prefix(size + 2);
  }
}

HttpAnswer Parsed(std::string_view text) {
  HttpAnswer answer;
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return answer;
  std::from_chars(text.data() + 9, text.data() + 12, answer.status);
  const bool chunked = text.substr(0, head).find("ransfer-") != std::string_view::npos &&
                       text.substr(0, head).find("chunked") != std::string_view::npos;
  answer.body = chunked ? Joined(text.substr(head + 4)) : std::string(text.substr(head + 4));
  return answer;
}

}  // namespace

HttpAnswer HttpSend(const std::string& address, int port, const HttpQuestion& question) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{.tv_sec = question.timeout.count(), .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  std::string text;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
    std::string request =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
                    question.method, question.path, address, question.body.size());
    for (const auto& [name, value] : question.headers)
      request += fmt::format("{}: {}\r\n", name, value);
    request += "\r\n" + question.body;
    for (std::string_view left = request; !left.empty();) {
      const ssize_t sent = ::send(fd, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
    char buffer[16384];
    for (ssize_t n; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return Parsed(text);
}

HttpAnswer HttpGet(const std::string& address, int port, const std::string& path,
                   std::chrono::seconds timeout) {
  return HttpSend(address, port, {.path = path, .timeout = timeout});
}

std::string PercentEscaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace enclave::system_test
