// The answer of a gRPC call that is under way, for coroutines: calls are started first and awaited
// when their answers are needed, so that those of one page run side by side.
//
// Threading: completed from any thread; awaited by one coroutine that runs on the executor the
// pending was made with, a strand. Ownership: the executor's context outlives the call.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/result.h"

namespace enclave::lab::boutique {

template <typename T>
class Pending {
 public:
  explicit Pending(const boost::asio::any_io_executor& executor)
      : state_(std::make_shared<State>(executor)) {}

  // Once. kCancelled when the coroutine was cancelled meanwhile; the call itself goes on to its
  // end.
  boost::asio::awaitable<base::Result<T>> Get() const {
    const std::shared_ptr<State> state = state_;
    if (!state->answer) {
      boost::system::error_code woken;
      co_await state->wake.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    }
    if (!state->answer) co_return base::Fail(base::ErrorKind::kCancelled, "the visitor went away");
    co_return std::move(*state->answer);
  }

  // Once.
  void Complete(base::Result<T> answer) const {
    boost::asio::post(state_->wake.get_executor(),
                      [state = state_, answer = std::move(answer)]() mutable {
                        state->answer.emplace(std::move(answer));
                        state->wake.cancel();
                      });
  }

 private:
  struct State {
    explicit State(const boost::asio::any_io_executor& executor)
        : wake(executor, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer wake;
    std::optional<base::Result<T>> answer;
  };
  std::shared_ptr<State> state_;
};

}  // namespace enclave::lab::boutique
