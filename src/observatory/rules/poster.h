// The port through which notifications leave: HTTP in the program, by hand in tests.
//
// Thread safety: Post is called from the notifiers' executor; `done` may be called from any thread,
// once, also within Post.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/http_client.h"

namespace enclave::observatory::rules {

class Poster {
 public:
  using Done = std::function<void(base::Result<net::Response>)>;
  virtual ~Poster() = default;
  // POSTs JSON. Any status is a value.
  virtual void Post(const std::string& url, std::string body, base::Duration timeout,
                    Done done) = 0;
};

class HttpPoster final : public Poster {
 public:
  // The loop outlives the poster and its exchanges.
  explicit HttpPoster(net::EventLoop& loop) : loop_(loop) {}
  void Post(const std::string& url, std::string body, base::Duration timeout, Done done) override;

 private:
  net::EventLoop& loop_;
  std::map<std::string, std::shared_ptr<net::HttpClient>> clients_;  // by origin
};

}  // namespace enclave::observatory::rules
