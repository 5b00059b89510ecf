// For tests: a real OTLP/HTTP receiver on a port of its own, that keeps what it got and answers as
// it is told.
//
// Thread safety: any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/awaitable.hpp>

#include "base/check.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "opentelemetry/logs_service.pb.h"
#include "opentelemetry/metrics_service.pb.h"
#include "opentelemetry/trace_service.pb.h"

namespace enclave::otel {

// Longer than anything takes; what is waited for comes much sooner.
inline constexpr std::chrono::milliseconds kLongTime = std::chrono::minutes(1);

struct ReceivedSpan {
  std::string service;
  opentelemetry::proto::trace::v1::Span span;

  // Of an attribute; "" when there is none.
  std::string Text(const std::string& key) const { return TextIn(span.attributes(), key); }
  std::int64_t Number(const std::string& key) const {
    for (const auto& attribute : span.attributes())
      if (attribute.key() == key) return attribute.value().int_value();
    return -1;
  }
  template <typename Pairs>
  static std::string TextIn(const Pairs& attributes, const std::string& key) {
    for (const auto& attribute : attributes)
      if (attribute.key() == key) return attribute.value().string_value();
    return "";
  }
};

class TestCollector {
 public:
  TestCollector() : loop_("collector", 2) {
    auto server = net::HttpServer::Start(
        loop_, {}, [this](net::Request& request, net::ResponseWriter& writer) {
          return Answer(request, writer);
        });
    CHECK(server.has_value(), "a port can be had");
    server_ = std::move(*server);
  }

  std::string endpoint() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }

  // The next requests to `path` are answered so, in order; those after them with 200.
  void AnswerNext(const std::string& path, net::Response response) {
    const std::lock_guard lock(mutex_);
    scripted_[path].push_back(std::move(response));
  }

  std::vector<ReceivedSpan> spans() const {
    const std::lock_guard lock(mutex_);
    return spans_;
  }
  std::vector<ReceivedSpan> SpansOf(const std::string& service) const {
    std::vector<ReceivedSpan> found;
    for (const ReceivedSpan& span : spans())
      if (span.service == service) found.push_back(span);
    return found;
  }
  std::vector<opentelemetry::proto::logs::v1::LogRecord> logs() const {
    const std::lock_guard lock(mutex_);
    return logs_;
  }
  // Returns once so many spans have come; false when they do not.
  bool WaitForSpans(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return received_.wait_for(lock, kLongTime, [&] { return spans_.size() >= count; });
  }
  // Of the last collection that was received.
  std::vector<opentelemetry::proto::metrics::v1::Metric> metrics() const {
    const std::lock_guard lock(mutex_);
    return metrics_;
  }
  std::size_t Requests(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = requests_.find(path);
    return found == requests_.end() ? 0 : found->second.size();
  }
  // The headers of the n-th request to `path`.
  net::Headers HeadersOf(const std::string& path, std::size_t n) const {
    const std::lock_guard lock(mutex_);
    return requests_.at(path).at(n);
  }

 private:
  boost::asio::awaitable<void> Answer(net::Request& request, net::ResponseWriter& writer) {
    net::Response response{.status = 200, .headers = {{"Content-Type", "application/x-protobuf"}}};
    {
      const std::lock_guard lock(mutex_);
      requests_[request.path].push_back(request.headers);
      auto& scripted = scripted_[request.path];
      if (!scripted.empty()) {
        response = std::move(scripted.front());
        scripted.pop_front();
      }
      if (response.status == 200) Keep(request);
    }
    received_.notify_all();
    (void)co_await writer.Send(std::move(response));
  }

  void Keep(const net::Request& request) {
    namespace collector = opentelemetry::proto::collector;
    if (request.path == "/v1/traces") {
      collector::trace::v1::ExportTraceServiceRequest message;
      CHECK(message.ParseFromString(request.body), "what is exported can be read");
      for (const auto& resource : message.resource_spans())
        for (const auto& scope : resource.scope_spans())
          for (const auto& span : scope.spans())
            spans_.push_back(
                {ReceivedSpan::TextIn(resource.resource().attributes(), "service.name"), span});
    } else if (request.path == "/v1/logs") {
      collector::logs::v1::ExportLogsServiceRequest message;
      CHECK(message.ParseFromString(request.body), "what is exported can be read");
      for (const auto& resource : message.resource_logs())
        for (const auto& scope : resource.scope_logs())
          for (const auto& log : scope.log_records()) logs_.push_back(log);
    } else if (request.path == "/v1/metrics") {
      collector::metrics::v1::ExportMetricsServiceRequest message;
      CHECK(message.ParseFromString(request.body), "what is exported can be read");
      metrics_.clear();
      for (const auto& resource : message.resource_metrics())
        for (const auto& scope : resource.scope_metrics())
          for (const auto& metric : scope.metrics()) metrics_.push_back(metric);
    }
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable received_;
  std::vector<ReceivedSpan> spans_;
  std::vector<opentelemetry::proto::logs::v1::LogRecord> logs_;
  std::vector<opentelemetry::proto::metrics::v1::Metric> metrics_;
  std::map<std::string, std::vector<net::Headers>> requests_;
  std::map<std::string, std::deque<net::Response>> scripted_;
  net::EventLoop loop_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace enclave::otel
