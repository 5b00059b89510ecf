#include "front.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/quote.h"
#include "compress.h"

namespace enclave::observatory::api {
namespace {

namespace asio = boost::asio;

// What the connection's coroutine and the worker share. The coroutine may be gone first.
struct Exchange {
  explicit Exchange(const asio::any_io_executor& executor) : done(executor) {
    done.expires_at(asio::steady_timer::time_point::max());
  }
  Call call;
  net::Response response;
  std::stop_source stop;
  // Touched on the connection's strand only.
  asio::steady_timer done;
  bool finished = false;
};

// Runs when the coroutine is left, however it is left.
class StopAtEnd {
 public:
  explicit StopAtEnd(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~StopAtEnd() { exchange_->stop.request_stop(); }
  StopAtEnd(const StopAtEnd&) = delete;
  StopAtEnd& operator=(const StopAtEnd&) = delete;

 private:
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace

net::Response PlainText(int status, std::string text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(text)};
}

Front::Front(base::Clock& clock, FrontOptions options, RouteTable routes, RequestMetrics& metrics)
    : clock_(clock),
      options_(std::move(options)),
      routes_(std::move(routes)),
      metrics_(metrics),
      query_("obs-query", options_.query),
      ingest_("obs-ingest", options_.ingest),
      self_("obs-self", options_.self) {}

base::Result<std::unique_ptr<Front>> Front::Start(net::EventLoop& loop, base::Clock& clock,
                                                  FrontOptions options, RouteTable routes,
                                                  RequestMetrics& metrics) {
  std::unique_ptr<Front> front(new Front(clock, std::move(options), std::move(routes), metrics));
  ASSIGN_OR_RETURN(front->server_,
                   net::HttpServer::Start(
                       loop, front->options_.http,
                       [self = front.get()](net::Request& request, net::ResponseWriter& writer) {
                         return self->Serve(request, writer);
                       }));
  return front;
}

Front::~Front() {
  // Handlers that run are told, then the server closes its connections, then the pools are joined.
  closing_.request_stop();
  server_.reset();
}

Front::LaneState& Front::StateOf(Lane lane) {
  switch (lane) {
    case Lane::kQuery:
      return query_;
    case Lane::kIngest:
      return ingest_;
    case Lane::kSelf:
      break;
  }
  return self_;
}

net::Response Front::Answer(const Route& route, const Call& call, base::MonoTime began) const {
  net::Response response;
  if (call.stop.stop_requested()) {
    metrics_.CountClientGone();
    return PlainText(499, "the client has gone\n");
  }
  if (clock_.Now() >= call.deadline) {
    // It waited in the queue until nobody wants the answer any more.
    metrics_.CountTimeout();
    response = PlainText(503, "the request waited longer than its deadline; try again later\n");
    response.headers["Retry-After"] = "5";
  } else {
    try {
      response = route.handler(call);
    } catch (const std::exception& error) {
      base::LogError("api", "a handler failed",
                     {{"route", route.pattern}, {"error", error.what()}});
      response = PlainText(500, fmt::format("{} failed: {}\n", route.pattern, error.what()));
    }
  }
  metrics_.Count(route.pattern, response.status, clock_.Now() - began, response.body.size());
  if (response.body.size() >= options_.compress_from_bytes &&
      !response.headers.contains("Content-Encoding") &&
      AcceptsGzip(call.request.Header("Accept-Encoding"))) {
    response.body = Gzip(response.body);
    response.headers["Content-Encoding"] = "gzip";
    response.headers["Vary"] = "Accept-Encoding";
  }
  return response;
}

asio::awaitable<void> Front::Serve(net::Request& request, net::ResponseWriter& writer) {
  const base::MonoTime began = clock_.Now();
  RouteTable::Found found = routes_.Find(request.method, request.path);
  if (found.route == nullptr) {
    net::Response refused =
        found.allowed.empty()
            ? PlainText(404, fmt::format("no such path: {}; / lists what there is\n",
                                         base::Quote(request.path)))
            : PlainText(405,
                        fmt::format("{} takes {}\n", base::Quote(request.path), found.allowed));
    if (!found.allowed.empty()) refused.headers["Allow"] = found.allowed;
    metrics_.Count("none", refused.status, clock_.Now() - began, refused.body.size());
    co_await writer.Send(std::move(refused));
    co_return;
  }
  LaneState& lane = StateOf(found.route->lane);
  auto exchange = std::make_shared<Exchange>(co_await asio::this_coro::executor);
  exchange->call = {std::move(request), std::move(found.captures), began + lane.options.deadline,
                    exchange->stop.get_token()};
  const StopAtEnd stop_at_end(exchange);
  const bool taken = lane.pool.Try([this, exchange, route = found.route, began] {
    const std::stop_callback closing(closing_.get_token(), [&] { exchange->stop.request_stop(); });
    exchange->response = Answer(*route, exchange->call, began);
    exchange->call.request.body = {};
    asio::post(exchange->done.get_executor(), [exchange] {
      exchange->finished = true;
      exchange->done.cancel();
    });
  });
  if (!taken) {
    metrics_.CountRejected();
    net::Response full =
        PlainText(503, "too many requests are waiting; nothing was done, try again in a moment\n");
    full.headers["Retry-After"] = "1";
    metrics_.Count(found.route->pattern, full.status, clock_.Now() - began, full.body.size());
    co_await writer.Send(std::move(full));
    co_return;
  }
  // The post above runs on this strand: either before this line, or it ends the wait.
  if (!exchange->finished) co_await exchange->done.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!exchange->finished) co_return;  // the client has gone
  co_await writer.Send(std::move(exchange->response));
}

void Front::AppendMetrics(std::string* page) const {
  AppendMetric(page, "observatory_http_connections", "gauge", "Open connections.",
               server_ ? static_cast<double>(server_->connections()) : 0);
  page->append(
      "# HELP observatory_lane_requests Requests in a lane of worker threads.\n"
      "# TYPE observatory_lane_requests gauge\n");
  for (const auto& [name, lane] :
       {std::pair{"query", &query_}, {"ingest", &ingest_}, {"self", &self_}})
    page->append(
        fmt::format("observatory_lane_requests{{lane=\"{0}\",state=\"waiting\"}} {1}\n"
                    "observatory_lane_requests{{lane=\"{0}\",state=\"running\"}} {2}\n",
                    name, lane->pool.waiting(), lane->pool.running()));
}

}  // namespace enclave::observatory::api
