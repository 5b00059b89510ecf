#include "cluster/api/signal.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace enclave::cluster {
namespace asio = boost::asio;

asio::awaitable<void> Signal::Wait(std::chrono::nanoseconds longest) {
  // A Notify that comes between this and the wait posts to this strand, so it runs after the wait
  // has begun.
  if (!notified_.exchange(false)) {
    timer_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(longest));
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    notified_ = false;
  }
}

void Signal::Notify() {
  if (notified_.exchange(true)) return;
  asio::post(timer_.get_executor(), [self = shared_from_this()] { self->timer_.cancel(); });
}

}  // namespace enclave::cluster
