#include "otel/exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "net/http_client.h"
#include "opentelemetry/metrics_service.pb.h"
#include "otel/otlp.h"

namespace enclave::otel {
namespace {

namespace asio = boost::asio;
namespace collector = opentelemetry::proto::collector;

// Receivers take at least this much in one request.
constexpr std::size_t kMaxBatchBytes = 2 << 20;

enum SignalIndex : std::size_t { kSpans, kLogs, kMetrics, kSignals };
constexpr std::array<std::string_view, kSignals> kPaths = {"/v1/traces", "/v1/logs", "/v1/metrics"};

std::size_t SizeOf(const telemetry::Attributes& attributes) {
  std::size_t bytes = 0;
  for (const telemetry::Attribute& attribute : attributes) {
    const auto* text = std::get_if<std::string>(&attribute.value);
    bytes += attribute.key.size() + (text != nullptr ? text->size() : 8) + 8;
  }
  return bytes;
}

// About what it takes on the wire.
std::size_t SizeOf(const EndedSpan& ended) {
  std::size_t bytes = 100 + ended.span.name.size() + SizeOf(ended.span.attributes);
  for (const telemetry::SpanEvent& event : ended.span.events)
    bytes += 24 + event.name.size() + SizeOf(event.attributes);
  for (const telemetry::SpanLink& link : ended.span.links) bytes += 32 + SizeOf(link.attributes);
  return bytes;
}
std::size_t SizeOf(const EmittedLog& log) {
  return 64 + log.message.size() + SizeOf(log.attributes);
}

// How many of the receiver's answer it refused; 0 for an answer that cannot be read.
template <typename Response, typename Rejected>
std::size_t CountRejected(const std::string& body, std::size_t items, Rejected rejected) {
  Response response;
  if (!response.ParseFromString(body)) return 0;
  const std::int64_t count = rejected(response.partial_success());
  return count <= 0 ? 0 : std::min(static_cast<std::size_t>(count), items);
}

std::size_t CountRejected(std::size_t signal, const std::string& body, std::size_t items) {
  switch (signal) {
    case kSpans:
      return CountRejected<collector::trace::v1::ExportTraceServiceResponse>(
          body, items, [](const auto& partial) { return partial.rejected_spans(); });
    case kLogs:
      return CountRejected<collector::logs::v1::ExportLogsServiceResponse>(
          body, items, [](const auto& partial) { return partial.rejected_log_records(); });
    default:
      return 0;  // metrics are counted by collection
  }
}

bool MayTryAgain(const base::Result<net::Response>& response) {
  if (!response) return response.error().kind() != base::ErrorKind::kUnauthenticated;
  return response->status == 429 || response->status == 502 || response->status == 503 ||
         response->status == 504;
}

// Seconds only: receivers of OTLP send no dates.
std::chrono::milliseconds RetryAfter(const base::Result<net::Response>& response,
                                     std::chrono::milliseconds most) {
  if (!response) return {};
  const auto header = response->headers.find("Retry-After");
  if (header == response->headers.end()) return {};
  unsigned seconds = 0;
  const std::string& text = header->second;
  if (std::from_chars(text.data(), text.data() + text.size(), seconds).ec != std::errc()) return {};
  return std::min<std::chrono::milliseconds>(std::chrono::seconds(seconds), most);
}

struct OtlpBatch {
  std::string body;
  std::size_t items = 0;
};

struct SignalState {
  bool busy = false;  // a coroutine sends
  asio::steady_timer* waiting = nullptr;
  SignalCounts counts{};
};

// Shared with the coroutines, which may outlive the exporter.
class ExporterCore final : public std::enable_shared_from_this<ExporterCore> {
 public:
  using Collect = std::function<void(opentelemetry::proto::metrics::v1::ScopeMetrics&)>;

  ExporterCore(net::EventLoop& loop, base::Random& random, ExporterOptions options,
               telemetry::Attributes resource, Collect collect,
               std::unique_ptr<net::HttpClient> client)
      : loop_(loop),
        random_(random),
        options_(std::move(options)),
        resource_(std::move(resource)),
        client_(std::move(client)),
        strand_(asio::make_strand(loop.context())),
        collect_(std::move(collect)) {}

  void StartTimers() {
    Every(options_.flush_interval, [this] {
      Kick(kSpans);
      Kick(kLogs);
    });
    Every(options_.metric_interval, [this] {
      {
        const std::lock_guard lock(mutex_);
        metrics_due_ = true;
      }
      Kick(kMetrics);
    });
  }

  template <typename Item>
  void Add(std::size_t signal, std::deque<Item>& queue, Item item) {
    {
      const std::lock_guard lock(mutex_);
      if (!accepting_ || queue.size() >= options_.max_queue) {
        ++signals_[signal].counts.dropped;
        return;
      }
      queue.push_back(std::move(item));
      if (queue.size() != options_.max_batch) return;
    }
    loop_.Post([self = shared_from_this(), signal] { self->Kick(signal); });
  }
  void AddSpan(EndedSpan span) { Add(kSpans, spans_, std::move(span)); }
  void AddLog(EmittedLog log) { Add(kLogs, logs_, std::move(log)); }

  ExporterCounts counts() const {
    const std::lock_guard lock(mutex_);
    return {signals_[kSpans].counts, signals_[kLogs].counts, signals_[kMetrics].counts};
  }

  bool Flush(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    const std::uint64_t failed = Failed();
    metrics_due_ = true;
    lock.unlock();
    for (std::size_t signal = 0; signal < kSignals; ++signal) Kick(signal);
    lock.lock();
    const bool done = idle_.wait_for(lock, timeout, [this] {
      return spans_.empty() && logs_.empty() && !metrics_due_ &&
             std::ranges::none_of(signals_, &SignalState::busy);
    });
    return done && Failed() == failed;
  }

  // After it the callback for metrics is not called any more, and waits for retries end.
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      accepting_ = false;
      stopped_ = true;
    }
    {
      const std::lock_guard lock(collect_mutex_);
      collect_ = nullptr;
    }
    asio::post(strand_, [self = shared_from_this()] {
      for (SignalState& signal : self->signals_)
        if (signal.waiting != nullptr) signal.waiting->cancel();
    });
  }

  void StopAccepting() {
    const std::lock_guard lock(mutex_);
    accepting_ = false;
  }

 private:
  void Every(std::chrono::milliseconds interval, std::function<void()> run) {
    loop_.After(interval, [weak = weak_from_this(), interval, run = std::move(run)] {
      const auto self = weak.lock();
      if (!self) return;
      {
        const std::lock_guard lock(self->mutex_);
        if (self->stopped_) return;
      }
      run();
      self->Every(interval, run);
    });
  }

  // Begins to send unless the signal is being sent already.
  void Kick(std::size_t signal) {
    {
      const std::lock_guard lock(mutex_);
      if (signals_[signal].busy || stopped_ || !HasWork(signal)) return;
      signals_[signal].busy = true;
    }
    asio::co_spawn(
        strand_, [self = shared_from_this(), signal] { return self->Send(signal); },
        [self = shared_from_this(), signal](const std::exception_ptr& failure) {
          if (failure) self->Ended(signal);  // out of memory; the next tick tries again
        });
  }

  bool HasWork(std::size_t signal) const {
    return signal == kSpans ? !spans_.empty() : signal == kLogs ? !logs_.empty() : metrics_due_;
  }

  void Ended(std::size_t signal) {
    {
      const std::lock_guard lock(mutex_);
      signals_[signal].busy = false;
    }
    idle_.notify_all();
  }

  asio::awaitable<void> Send(std::size_t signal) {
    for (;;) {
      std::optional<OtlpBatch> batch = Take(signal);
      if (!batch) break;
      co_await Deliver(signal, std::move(*batch));
    }
  }

  // The next batch; without one the signal is not busy any more.
  std::optional<OtlpBatch> Take(std::size_t signal) {
    if (signal == kSpans) return TakeItems(signal, spans_);
    if (signal == kLogs) return TakeItems(signal, logs_);
    {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(metrics_due_, false)) {
        signals_[signal].busy = false;
        idle_.notify_all();
        return std::nullopt;
      }
    }
    collector::metrics::v1::ExportMetricsServiceRequest request;
    auto& resource_metrics = *request.add_resource_metrics();
    ToOtlp(resource_, *resource_metrics.mutable_resource()->mutable_attributes());
    {
      const std::lock_guard lock(collect_mutex_);
      if (collect_) collect_(*resource_metrics.add_scope_metrics());
    }
    return OtlpBatch{request.SerializeAsString(), 1};
  }

  template <typename Item>
  std::optional<OtlpBatch> TakeItems(std::size_t signal, std::deque<Item>& queue) {
    std::vector<Item> items;
    {
      const std::lock_guard lock(mutex_);
      std::size_t bytes = 0;
      while (!queue.empty() && items.size() < options_.max_batch && bytes < kMaxBatchBytes) {
        bytes += SizeOf(queue.front());
        items.push_back(std::move(queue.front()));
        queue.pop_front();
      }
      if (items.empty()) {
        signals_[signal].busy = false;
        idle_.notify_all();
        return std::nullopt;
      }
    }
    return OtlpBatch{ToOtlp(resource_, items).SerializeAsString(), items.size()};
  }

  asio::awaitable<void> Deliver(std::size_t signal, OtlpBatch batch) {
    for (int attempt = 1;; ++attempt) {
      net::ClientRequest request{.method = "POST",
                                 .target = std::string(kPaths[signal]),
                                 .headers = {{"Content-Type", "application/x-protobuf"}},
                                 .body = batch.body,
                                 .timeout = options_.request_timeout};
      const base::Result<net::Response> response = co_await client_->Send(std::move(request));
      if (response && response->status >= 200 && response->status < 300) {
        Accepted(signal, batch.items, CountRejected(signal, response->body, batch.items));
        co_return;
      }
      std::optional<base::Duration> delay;
      if (MayTryAgain(response)) delay = base::RetryDelay(options_.retry, attempt, random_);
      const bool again = delay && CountRetry(signal);
      Complain(signal, response, again);
      if (!again) {
        const std::lock_guard lock(mutex_);
        signals_[signal].counts.failed += batch.items;
        co_return;
      }
      const base::Duration wait =
          std::max<base::Duration>(*delay, RetryAfter(response, options_.max_retry_after));
      co_await Wait(signal, wait);
    }
  }

  // On the strand, as is Stop's cancel.
  asio::awaitable<void> Wait(std::size_t signal, base::Duration delay) {
    asio::steady_timer timer(strand_, delay);
    signals_[signal].waiting = &timer;
    boost::system::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    signals_[signal].waiting = nullptr;
  }

  void Accepted(std::size_t signal, std::size_t items, std::size_t rejected) {
    bool recovered = false;
    {
      const std::lock_guard lock(mutex_);
      signals_[signal].counts.exported += items - rejected;
      signals_[signal].counts.failed += rejected;
      recovered = std::exchange(complained_, false);
    }
    if (recovered)
      base::LogInfo("otel", "telemetry is exported again", {{"to", options_.endpoint}});
  }

  // False once the exporter has been stopped.
  bool CountRetry(std::size_t signal) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    ++signals_[signal].counts.retries;
    return true;
  }

  // Once, until it works again.
  void Complain(std::size_t signal, const base::Result<net::Response>& response, bool again) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(complained_, true)) return;
    }
    base::LogWarning("otel", "telemetry is not accepted",
                     {{"to", options_.endpoint + std::string(kPaths[signal])},
                      {"why", response ? fmt::format("HTTP status {}", response->status)
                                       : response.error().ToString()},
                      {"next", again ? "it is sent again" : "it is dropped"}});
  }

  std::uint64_t Failed() const {
    std::uint64_t failed = 0;
    for (const SignalState& signal : signals_) failed += signal.counts.failed;
    return failed;
  }

  net::EventLoop& loop_;
  base::Random& random_;
  const ExporterOptions options_;
  const telemetry::Attributes resource_;
  const std::unique_ptr<net::HttpClient> client_;
  const asio::strand<asio::io_context::executor_type> strand_;

  std::mutex collect_mutex_;
  Collect collect_;

  mutable std::mutex mutex_;  // all below, but for SignalState::waiting, which is the strand's
  std::condition_variable idle_;
  std::deque<EndedSpan> spans_;
  std::deque<EmittedLog> logs_;
  bool metrics_due_ = false;
  bool accepting_ = true;
  bool stopped_ = false;
  bool complained_ = false;
  std::array<SignalState, kSignals> signals_;
};

class OtlpExporter final : public Exporter {
 public:
  explicit OtlpExporter(std::shared_ptr<ExporterCore> core) : core_(std::move(core)) {
    core_->StartTimers();
  }
  ~OtlpExporter() override { core_->Stop(); }

  void Add(EndedSpan span) override { core_->AddSpan(std::move(span)); }
  void Add(EmittedLog log) override { core_->AddLog(std::move(log)); }
  ExporterCounts counts() const override { return core_->counts(); }
  bool Flush(std::chrono::milliseconds timeout) override { return core_->Flush(timeout); }
  bool Shutdown(std::chrono::milliseconds timeout) override {
    core_->StopAccepting();
    const bool all = core_->Flush(timeout);
    core_->Stop();
    return all;
  }

 private:
  const std::shared_ptr<ExporterCore> core_;
};

}  // namespace

base::Result<std::unique_ptr<Exporter>> Exporter::Create(
    net::EventLoop& loop, base::Random& random, ExporterOptions options,
    telemetry::Attributes resource,
    std::function<void(opentelemetry::proto::metrics::v1::ScopeMetrics&)> collect) {
  ASSIGN_OR_RETURN(auto client, net::HttpClient::Create(loop, {.base_url = options.endpoint,
                                                               .max_idle_connections = kSignals,
                                                               .max_body_bytes = 1 << 20}));
  return std::make_unique<OtlpExporter>(
      std::make_shared<ExporterCore>(loop, random, std::move(options), std::move(resource),
                                     std::move(collect), std::move(client)));
}

}  // namespace enclave::otel
