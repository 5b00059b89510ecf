// A plain HTTP GET, for asking what runs in pods and behind Services.
#pragma once

#include <chrono>
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

}  // namespace enclave::system_test
