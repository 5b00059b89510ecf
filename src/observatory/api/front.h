// The HTTP front: reads requests on the event loop, answers them with the blocking handlers of a
// route table on worker threads, one bounded pool a lane.
//
// Overload is answered at once: 503 with Retry-After when a lane's queue is full. A handler gets a
// deadline and is told to stop when its client goes away. Answers of more than a kilobyte are
// compressed for clients that ask for it.
//
// Thread safety: any thread, but not the loop's own for destruction. Ownership: the loop, the clock
// and the metrics outlive the front; destroying it stops accepting, then waits for handlers that
// run.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/executor.h"
#include "base/result.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "observatory/api/request_metrics.h"
#include "observatory/api/route.h"
#include "observatory/api/worker_pool.h"

namespace enclave::observatory::api {

struct LaneOptions {
  std::size_t threads;
  std::size_t max_waiting;
  base::Duration deadline;  // from the whole request to the handler's answer
};

struct FrontOptions {
  net::HttpServerOptions http{};
  LaneOptions query{4, 64, std::chrono::minutes(2)};
  LaneOptions ingest{8, 256, std::chrono::seconds(30)};
  LaneOptions self{1, 64, std::chrono::seconds(10)};
  std::size_t compress_from_bytes = 1024;
};

class Front {
 public:
  static base::Result<std::unique_ptr<Front>> Start(net::EventLoop& loop, base::Clock& clock,
                                                    FrontOptions options, RouteTable routes,
                                                    RequestMetrics& metrics);
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  std::uint16_t port() const { return server_->port(); }
  // Connections, and for each lane the requests that wait and run.
  void AppendMetrics(std::string* page) const;

 private:
  struct LaneState {
    LaneState(const std::string& name, const LaneOptions& options)
        : options(options), pool(name, options.threads, options.max_waiting) {}
    LaneOptions options;
    WorkerPool pool;
  };

  Front(base::Clock& clock, FrontOptions options, RouteTable routes, RequestMetrics& metrics);
  LaneState& StateOf(Lane lane);
  net::Response Answer(const Route& route, const Call& call, base::MonoTime began) const;
  boost::asio::awaitable<void> Serve(net::Request& request, net::ResponseWriter& writer);

  base::Clock& clock_;
  const FrontOptions options_;
  const RouteTable routes_;
  RequestMetrics& metrics_;
  std::stop_source closing_;
  LaneState query_;
  LaneState ingest_;
  LaneState self_;
  std::unique_ptr<net::HttpServer> server_;  // gone before the pools: no new tasks
};

// A line of text, and one of HTML.
net::Response PlainText(int status, std::string text);

}  // namespace enclave::observatory::api
