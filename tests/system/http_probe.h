// Plain HTTP, for asking what runs in pods, behind Services and beside them.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace enclave::system_test {

// The port of the Service in tests/manifests/web.yaml.
inline constexpr int kWebPort = 8080;

struct HttpAnswer {
  int status = 0;  // 0: no answer
  std::string body;
};

HttpAnswer HttpGet(const std::string& address, int port, const std::string& path = "/",
                   std::chrono::seconds timeout = std::chrono::seconds(5));

struct HttpQuestion {
  std::string method = "GET";
  std::string path = "/";
  std::map<std::string, std::string> headers{};
  std::string body{};
  std::chrono::seconds timeout{30};
};
// One exchange on a connection of its own.
HttpAnswer HttpSend(const std::string& address, int port, const HttpQuestion& question);

// Everything but letters and digits as %XX, for values in a query.
std::string PercentEscaped(const std::string& text);

}  // namespace enclave::system_test
