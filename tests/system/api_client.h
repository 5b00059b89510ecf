// A small HTTPS client of the tests' own, for what kubectl cannot do: thousands of requests a
// second, broken ones, and connections that say nothing. One connection, kept alive, one thread at
// a time.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "system/enclave_fixture.h"

namespace enclave::system_test {

// What the administrator's kubeconfig says.
struct Access {
  std::string host;
  int port = 0;
  std::string authority;    // PEM
  std::string certificate;  // PEM
  std::string key;          // PEM
};
Access ReadAccess(const Enclave& enclave);

struct ApiAnswer {
  int status = 0;  // 0: no answer; `error` says why
  std::string body;
  std::string error;
  bool closed = false;  // no answer, since the server ended the connection
  Json json() const { return Json::parse(body, nullptr, /*allow_exceptions=*/false); }
};

class ApiClient {
 public:
  // With `anonymous`, no certificate is shown.
  explicit ApiClient(Access access, bool anonymous = false);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  ApiAnswer Get(const std::string& path) { return Send("GET", path); }
  ApiAnswer Post(const std::string& path, const Json& body) {
    return Send("POST", path, body.dump(), "application/json");
  }
  // `headers` end in CRLF each.
  ApiAnswer Send(const std::string& method, const std::string& path, const std::string& body = "",
                 const std::string& content_type = "", const std::string& headers = "");

  // The connection by hand.
  bool Connect();
  bool Write(const std::string& bytes);
  ApiAnswer ReadAnswer();
  // Drops what is read up to and with `text`; false when the connection ends before it, or says
  // nothing for a while.
  bool ReadUntil(const std::string& text);
  void Close();
  // Waits until the server closes the connection; false when it is still open after `timeout`. What
  // it says before is kept for ReadAnswer.
  bool WaitClosed(std::chrono::seconds timeout);

 private:
  bool Fill();  // reads more into in_; false at the connection's end, or after kPatience

  const Access access_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  bool ended_ = false;  // by the server
  std::string in_;
  std::string error_;
};

}  // namespace enclave::system_test
