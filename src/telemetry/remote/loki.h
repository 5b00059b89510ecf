// Logs from a Loki over its HTTP API (v1).
//
// Queries are read in pages, forward or backward, and streams that no one selector can name
// together are read side by side and merged by time. What Loki gives beside a stream's own labels
// (structured metadata) becomes the record's metadata, trace and span id among it. Records of one
// nanosecond may come in another order than they arrived in; when one nanosecond holds more records
// than a page, what is over it is lost.
//
// Thread safety: any thread but the loop's own, as calls block. Ownership: the loop outlives the
// client. Errors name the URL.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "telemetry/remote/endpoint.h"
#include "telemetry/source.h"

namespace enclave::telemetry::remote {

class HttpQuery;

struct LokiOptions {
  std::size_t page_lines = 5000;       // Loki's own limit, as it comes
  std::size_t max_streams = 50'000;    // of one query
  std::chrono::hours trace_window{6};  // OfTrace looks so far back: Loki has no index by trace
  std::size_t max_lines_of_trace = 20'000;
};

class Loki final : public LogSource {
 public:
  static base::Result<std::unique_ptr<Loki>> Create(net::EventLoop& loop, Endpoint endpoint,
                                                    LokiOptions options = {});
  ~Loki() override;

  base::Result<> Query(const LogQuery& query, const LogVisitor& visit) override;
  // Records that carry the id as metadata, and lines that contain it.
  base::Result<> OfTrace(trace::TraceId trace_id, const LogVisitor& visit) override;
  base::Result<std::vector<Labels>> Streams(const std::vector<Matchers>& any_of, TimeRangeNs range,
                                            std::size_t limit) override;
  base::Result<std::vector<std::string>> StreamLabelNames(TimeRangeNs range) override;
  base::Result<std::vector<std::string>> StreamLabelValues(const std::string& name,
                                                           TimeRangeNs range) override;

 private:
  class Cursor;

  Loki(net::EventLoop& loop, std::unique_ptr<HttpQuery> http, LokiOptions options);
  base::Result<> Read(const LogQuery& query, const std::string& filter, const LogVisitor& visit);

  net::EventLoop& loop_;
  const std::unique_ptr<HttpQuery> http_;
  const LokiOptions options_;
};

}  // namespace enclave::telemetry::remote
