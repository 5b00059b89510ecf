// An HTTP client that tries again: while a server cannot be reached, answers late, or says that it
// is busy (429, 502, 503, 504).
//
// Thread safety: from any thread but the loop's; it blocks. The loop and the source of chance
// outlive it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/random.h"
#include "base/retry.h"
#include "net/event_loop.h"
#include "net/http_client.h"

namespace enclave::memory {

class RetryingClient {
 public:
  static base::Result<std::unique_ptr<RetryingClient>> Create(net::EventLoop& loop,
                                                              base::Random& random,
                                                              net::HttpClientOptions options,
                                                              const base::RetryPolicy& policy);
  // The last answer or error, when retries are used up.
  base::Result<net::Response> Send(const net::ClientRequest& request);

 private:
  RetryingClient(net::EventLoop& loop, base::Random& random, const base::RetryPolicy& policy,
                 std::unique_ptr<net::HttpClient> http)
      : loop_(loop), random_(random), policy_(policy), http_(std::move(http)) {}
  void Wait(base::Duration delay);

  net::EventLoop& loop_;
  std::mutex random_mutex_;
  base::Random& random_;  // guarded by the mutex
  const base::RetryPolicy policy_;
  const std::unique_ptr<net::HttpClient> http_;
};

}  // namespace enclave::memory
