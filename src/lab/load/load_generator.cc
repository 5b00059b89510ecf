#include "lab/load/load_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"

namespace enclave::lab::load {
namespace {

namespace asio = boost::asio;
using Strand = asio::strand<asio::io_context::executor_type>;

base::Result<> CheckOptions(const LoadOptions& options) {
  const auto wrong = [](std::string what) {
    return base::Fail(base::ErrorKind::kInvalidArgument, std::move(what));
  };
  if (options.users < 1 || options.users > kMostUsers)
    return wrong(fmt::format("{} users: from 1 to {} can be played", options.users, kMostUsers));
  if (!std::isfinite(options.spawn_rate) || options.spawn_rate <= 0)
    return wrong(fmt::format("{} new users per second: must be more than 0", options.spawn_rate));
  if (options.rate && (!std::isfinite(*options.rate) || *options.rate <= 0))
    return wrong(fmt::format("{} actions per second: must be more than 0", *options.rate));
  if (options.request_timeout.count() <= 0)
    return wrong("the time limit of a request must be more than 0");
  return {};
}

class Generator final : public LoadGenerator {
 public:
  Generator(net::EventLoop& loop, otel::Telemetry& telemetry, LoadOptions options,
            std::unique_ptr<net::HttpClient> http)
      : loop_(loop),
        telemetry_(telemetry),
        durations_(telemetry.meter().DurationHistogram(
            "shopper.action.duration", "From a visitor's click to the page that it leads to.")),
        options_(std::move(options)),
        http_(std::move(http)),
        strand_(asio::make_strand(loop.context())),
        begin_(loop.Now()),
        interval_begin_(begin_),
        // What stretches the published waits so that all visitors together make the rate.
        scale_(options_.rate ? options_.users / (*options_.rate * kMeanWaitSeconds) : 1.0) {}

  ~Generator() override {
    Stop();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return running_ == 0; });
  }

  void Begin() {
    running_ = 1 + (options_.duration ? 1 : 0);
    Spawn(LetIn());
    if (options_.duration) Spawn(EndAfter(*options_.duration));
  }

  void Stop() override {
    {
      const std::lock_guard lock(mutex_);
      if (running_ == 0) return;
      ++running_;
    }
    asio::post(strand_, [this] {
      End();
      Leave();
    });
  }

  bool WaitUntilDone(std::chrono::nanoseconds at_most) override {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, at_most, [&] { return running_ == 0; });
  }

  Snapshot Take() override {
    const std::lock_guard lock(mutex_);
    const base::MonoTime now = running_ == 0 ? end_ : loop_.Now();
    return {.total = total_,
            .interval = std::exchange(interval_, {}),
            .elapsed = now - begin_,
            .interval_elapsed = now - std::exchange(interval_begin_, now),
            .users = users_};
  }

 private:
  // Its place in running_ is taken already.
  void Spawn(asio::awaitable<void> coroutine) {
    asio::co_spawn(strand_, std::move(coroutine), [this](const std::exception_ptr& error) {
      // A coroutine of ours throws for want of memory only; the others go on.
      if (error) base::LogError("load", "a visitor broke off");
      Leave();
    });
  }

  void Leave() {
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) {
      end_ = loop_.Now();
      // Under the lock: whoever waits may destroy this as soon as it sees the zero.
      changed_.notify_all();
    }
  }

  // Until the time has come, or nobody begins anything any more.
  asio::awaitable<void> SleepUntil(base::MonoTime due) {
    if (ending_) co_return;
    asio::steady_timer timer(strand_, std::max(due - loop_.Now(), base::Duration::zero()));
    const auto place = sleepers_.insert(sleepers_.end(), &timer);
    boost::system::error_code woken;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    sleepers_.erase(place);
  }

  void End() {
    ending_ = true;
    for (asio::steady_timer* timer : sleepers_) timer->cancel();
  }

  asio::awaitable<void> EndAfter(base::Duration duration) {
    co_await SleepUntil(begin_ + duration);
    End();
  }

  asio::awaitable<void> LetIn() {
    const std::chrono::duration<double> gap(1.0 / options_.spawn_rate);
    for (int i = 0; i < options_.users && !ending_; ++i) {
      const auto due = begin_ + std::chrono::duration_cast<base::Duration>(gap * i);
      co_await SleepUntil(due);
      if (ending_) break;
      {
        const std::lock_guard lock(mutex_);
        ++running_;
        ++users_;
      }
      Spawn(Visit(i));
    }
  }

  asio::awaitable<void> Visit(int number) {
    // Far apart for neighbours, so that their choices have nothing to do with each other.
    base::SeededRandom seeds(options_.seed +
                             0x9E3779B97F4A7C15U * static_cast<std::uint64_t>(number));
    Shopper shopper({.http = *http_,
                     .base_url = options_.target,
                     .telemetry = telemetry_,
                     .timeout = options_.request_timeout},
                    seeds.Next(), fmt::format("shopper-{}", number));
    base::MonoTime due = loop_.Now();
    while (!ending_ && Claim()) {
      Outcome outcome = co_await shopper.Act(shopper.Next());
      Note(outcome);
      const base::Duration wait = shopper.Wait(scale_);
      due = options_.rate ? std::max(due + wait, loop_.Now()) : loop_.Now() + wait;
      co_await SleepUntil(due);
    }
    const std::lock_guard lock(mutex_);
    --users_;
  }

  // The right to one more action.
  bool Claim() {
    if (!options_.actions) return true;
    if (claimed_ == *options_.actions) return false;
    if (++claimed_ == *options_.actions) End();
    return true;
  }

  void Note(const Outcome& outcome) {
    durations_.Record(std::chrono::duration<double>(outcome.latency).count(),
                      {{"shopper.action", std::string(NameOf(outcome.action))},
                       {"outcome", std::string(outcome.wrong ? "error" : "ok")}},
                      &outcome.span);
    if (outcome.wrong)
      telemetry_.logger().Log(otel::Severity::kError, *outcome.wrong,
                              {{"shopper.action", std::string(NameOf(outcome.action))}},
                              &outcome.span);
    const std::lock_guard lock(mutex_);
    std::optional<Failure> failure;
    if (outcome.wrong)
      failure = Failure{.action = outcome.action,
                        .why = *outcome.wrong,
                        .trace_id = outcome.span.trace_id.ToString(),
                        .at = loop_.Now() - begin_};
    interval_.Add(outcome.action, outcome.latency, outcome.requests, failure);
    total_.Add(outcome.action, outcome.latency, outcome.requests, std::move(failure));
  }

  net::EventLoop& loop_;
  otel::Telemetry& telemetry_;
  otel::Histogram& durations_;
  const LoadOptions options_;
  const std::unique_ptr<net::HttpClient> http_;
  Strand strand_;
  const base::MonoTime begin_;

  // Of the strand.
  bool ending_ = false;
  std::uint64_t claimed_ = 0;
  std::list<asio::steady_timer*> sleepers_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = 0;
  int users_ = 0;
  Report total_;
  Report interval_;
  base::MonoTime interval_begin_;
  base::MonoTime end_{};

  const double scale_;
};

}  // namespace

base::Result<std::unique_ptr<LoadGenerator>> LoadGenerator::Start(net::EventLoop& loop,
                                                                  otel::Telemetry& telemetry,
                                                                  LoadOptions options) {
  RETURN_IF_ERROR(CheckOptions(options));
  net::HttpClientOptions client;
  client.base_url = options.target;
  client.max_idle_connections = static_cast<std::size_t>(options.users);
  client.max_body_bytes = 4 << 20;
  auto http = net::HttpClient::Create(loop, std::move(client));
  if (!http) return base::Fail(http.error().While("the shop's address"));
  auto generator =
      std::make_unique<Generator>(loop, telemetry, std::move(options), std::move(*http));
  generator->Begin();
  return generator;
}

}  // namespace enclave::lab::load
