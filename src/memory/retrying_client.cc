#include "memory/retrying_client.h"

#include <future>

namespace enclave::memory {
namespace {

bool WorthAnotherTry(const base::Result<net::Response>& answer) {
  if (!answer)
    return answer.error().kind() == base::ErrorKind::kUnavailable ||
           answer.error().kind() == base::ErrorKind::kDeadlineExceeded;
  switch (answer->status) {
    case 429:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

}  // namespace

base::Result<std::unique_ptr<RetryingClient>> RetryingClient::Create(
    net::EventLoop& loop, base::Random& random, net::HttpClientOptions options,
    const base::RetryPolicy& policy) {
  ASSIGN_OR_RETURN(auto http, net::HttpClient::Create(loop, std::move(options)));
  return std::unique_ptr<RetryingClient>(new RetryingClient(loop, random, policy, std::move(http)));
}

void RetryingClient::Wait(base::Duration delay) {
  std::promise<void> due;
  loop_.After(delay, [&due] { due.set_value(); });
  due.get_future().wait();
}

base::Result<net::Response> RetryingClient::Send(const net::ClientRequest& request) {
  for (int attempt = 1;; ++attempt) {
    auto answer = http_->SendAndWait(request);
    if (!WorthAnotherTry(answer)) return answer;
    std::optional<base::Duration> delay;
    {
      const std::lock_guard lock(random_mutex_);
      delay = base::RetryDelay(policy_, attempt, random_);
    }
    if (!delay) return answer;
    Wait(*delay);
  }
}

}  // namespace enclave::memory
